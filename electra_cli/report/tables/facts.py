"""Tables of what was trained, on what data, what it has cost, and where runs differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from electra_cli.config.rules.batches import rows_in_words
from electra_cli.config.schema import Config
from electra_cli.corpus.wordpiece.identity import KIND_NAMES
from electra_cli.errors import counted, format_duration
from electra_cli.files.redaction import as_name, redacted
from electra_cli.metrics import held_out
from electra_cli.metrics.names import format_flops
from electra_cli.modeling.architecture import Architecture, EncoderSizes
from electra_cli.modeling.budget import budget_of
from electra_cli.report.cost import Cost
from electra_cli.report.record import RunRecord
from electra_cli.report.tables.table import Table, beside
from electra_cli.runs.run_folder import RunFolder


def trained(records: Sequence[RunRecord]) -> Table:
    """What was trained."""
    return beside("What was trained", records, _name, _trained)


def data(records: Sequence[RunRecord]) -> Table:
    """On what data."""
    return beside("On what data", records, _name, _data)


def cost(records: Sequence[RunRecord]) -> Table:
    """What it has cost."""
    return beside("What it has cost", records, _name, _cost)


def changes(record: RunRecord) -> Table | None:
    """What was changed on the way; None if nothing was."""
    rows = [(f"{at:,}", key, str(was), str(now)) for at, key, was, now in record.changes]
    heads = ("from step", "key", "before", "from then on")
    title = f"What was changed on the way of {record.name}"
    return Table(title, heads, rows, is_numbers=False) if rows else None


def _name(record: RunRecord) -> str:
    return record.name


def _trained(record: RunRecord) -> dict[str, str]:
    config, last = record.config, record.starts[-1] if record.starts else None
    facts = dict(last.facts) if last else {}
    model, objective, train = config.model, config.objective, config.train
    parameters = budget_of(config).parameters
    generator = Architecture.of(config).generator
    main, *others = objective.networks
    known = facts | {k: v for k, v in (record.result or {}).items() if k not in facts}
    return {
        "folder": record.place,
        "state": f"{record.state}, step {record.progress}",
        "end of its last process": _text(last.reason if last else None),
        "preset": config.preset,
        "objective": f"{objective.name}, {objective.mask_probability:.0%} of the tokens masked"
        + _held_out(objective.mask_probability),
        main: f"{counted(model.num_layers, 'layer')}, {model.hidden_size} wide, "
        f"{counted(model.num_attention_heads, 'head')}",
        "beside it": _beside(generator, config) if others and generator else "",
        "parameters": f"{parameters.total:,}",
        "batch": f"{rows_in_words(train)}; {counted(config.data.sequence_length, 'token')} a row",
        "learning rate": f"{config.optimizer.learning_rate:g} after "
        f"{counted(config.optimizer.warmup_steps, 'step')} of warm-up",
        "seed": str(train.seed),
        "first weights": _initial(record),
        "device": _text(known.get("device")),
        "devices": _text(facts.get("devices")),
        "replicas": _text(known.get("replicas")),
        "precision": _text(known.get("precision")),
        "electra": _text(facts.get("electra")),
        "TensorFlow": _text(facts.get("tensorflow")),
    }


def _held_out(masked: float) -> str:
    """How held-out rows are masked, if that is another share than in training."""
    share = held_out.MASK_PROBABILITY
    return "" if masked == share else f", {share:.0%} of held-out ones"


def _beside(generator: EncoderSizes, config: Config) -> str:
    """What a generator is, as far as it is not what generators are by default."""
    layers, sharing = generator.layers, config.generator.sharing
    of = f"{counted(layers, 'layer')}, " if layers != config.model.num_layers else ""
    shared = "" if sharing == "tied" else f", sharing {sharing}"
    return f"generator, {of}{generator.hidden} wide{shared}"


def _initial(record: RunRecord) -> str:
    if (branch := record.branch) is not None:
        return f"step {branch.step:,}, of {as_name(redacted(branch.checkpoint))}"
    if record.initialized is None:
        return "random"
    return _text(record.initialized.get("path")) or "loaded"


def _data(record: RunRecord) -> dict[str, str]:
    manifest = record.manifest
    if manifest is None:
        return {}
    counts, options = manifest.counts, manifest.tokenizer
    by_frequency = record.baselines.unigram
    return {
        "folder": record.config.data.path or "",
        "copied from": RunFolder(record.folder).data_url or "",
        "text": f"{counted(counts.documents, 'document')}, {counts.input_bytes / 1e6:,.1f} MB",
        "tokens": f"{counts.tokens:,}, {counts.unknown_tokens:,} of them unknown",
        "rows": f"{manifest.examples:,} of {counted(manifest.sequence_length, 'token')}, packing "
        f"{manifest.packing}",
        "padding": f"{manifest.padding_share:.1%} of the positions",
        "held out": f"{counted(manifest.validation_examples, 'row')}, "
        f"{counted(counts.validation_documents, 'document')}",
        "vocabulary": f"{counted(manifest.vocab.size, 'word piece')}, {options.flags}"
        if options
        else f"{counted(manifest.vocab.size, 'token')} of {KIND_NAMES[manifest.vocab.kind]}",
        "guess by frequency": "" if by_frequency is None else f"{by_frequency:.2f} nats",
        "uniform guess": f"{record.baselines.uniform:.2f} nats",
    }


def _cost(record: RunRecord) -> dict[str, str]:
    cost = record.cost
    lost = f", {cost.lost_steps:,} lost when a process died" if cost.lost_steps else ""
    return {
        "steps": f"{record.progress}{lost}",
        "rows": f"{cost.rows:,}",
        "epochs": "" if cost.epochs is None else f"{cost.epochs:.2f}",
        "tokens": f"{cost.tokens:,}, padding included",
        "FLOPs": f"{format_flops(cost.flops)}, {format_flops(cost.flops_per_token)} a token",
        "time in updates": _duration(cost.training_seconds),
        "time of its processes": _duration(cost.process_seconds),
        "from start to last line": _duration(cost.elapsed_seconds),
        "to the first step": _duration(cost.seconds_to_first_step),
        "restarts": "" if cost.restarts is None else f"{cost.restarts:,}",
        "goodput": _goodput(cost),
    }


def _goodput(cost: Cost) -> str:
    if cost.goodput is None:
        return ""
    return f"{_duration(cost.productive_seconds)}, {cost.goodput:.1%} of its processes' time"


def _duration(seconds: float | None) -> str:
    return "" if seconds is None else format_duration(seconds)


def _text(value: Any) -> str:
    return "" if value is None else str(value)

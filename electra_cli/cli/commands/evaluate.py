"""electra evaluate: checkpoints over held-out data."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.joining import joined
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.training import print_metrics
from electra_cli.cluster.acts import by_all
from electra_cli.cluster.compare import check_same
from electra_cli.config.nearest import did_you_mean, nearest
from electra_cli.errors import ConfigError
from electra_cli.metrics.limits import check_names, missed_limits, parse_limits
from electra_cli.metrics.names import FLOPS, finite, format_metric, is_share
from electra_cli.training.loop.signals import StopSignals

if TYPE_CHECKING:
    from electra_cli.cluster.member import Worker
    from electra_cli.evaluation.labelled import LabelledData
    from electra_cli.objectives.base import Objective
    from electra_cli.runs.run_folder import Checkpoint

EXAMPLES = """
electra evaluate runs/mine runs/other --all --detail > table.txt
electra evaluate runs/mine --json --quiet --fail-under disc_auc=0.8
electra evaluate runs/electric --pseudo-likelihood sentences.txt
"""
LESS_MEMORY = (
    "name one checkpoint at a time, without --all and --detail; --device cpu takes the memory of "
    "the machine instead of a GPU's"
)


# fmt: off
def command(
    checkpoints: Annotated[list[Path], typer.Argument(
        metavar="CHECKPOINT...", autocompletion=completion.checkpoints,
        help="Run folders (their newest checkpoint) or checkpoint prefixes; or folders of "
        "`electra finetune`.")],
    every: Annotated[bool, typer.Option("--all", help="Every checkpoint of each run.")] = False,
    data: Annotated[Path | None, typer.Option(
        help="Prepared folder, by default the run's own; for a fine-tuned model a labelled "
        "file.")] = None,
    device: Annotated[str, typer.Option(
        autocompletion=options.devices, help="As in pretrain.")] = "auto",
    share_device: options.ShareDevice = False,
    cluster: options.Cluster = "auto",
    rendezvous_timeout: options.RendezvousTimeout = 300.0,
    fail_under: Annotated[list[str] | None, typer.Option(
        metavar="METRIC=VALUE", autocompletion=options.limits,
        help="End with exit code 1 if a metric is lower, a share as in 0.8 for 80%; repeatable.")
    ] = None,
    detail: Annotated[bool, typer.Option(
        "--detail", help="Also by token frequency, by position and by place in the word.")
    ] = False,
    pseudo_likelihood: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Instead of held-out data, score the sentences of a file, one a line, "
        "by a run of objective electric; - for standard input.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show the held-out metrics of checkpoints side by side."""
    # fmt: on
    del debug
    from electra_cli.evaluation.plan import choose_checkpoints, facts_of
    from electra_cli.evaluation.pseudo_likelihood import check_alone
    from electra_cli.runs.named import find_run
    from electra_cli.sources.finetuned import folder_of, is_finetuned
    from electra_cli.training.devices.strategy import parse_device

    terminal = Terminal(quiet=quiet, stdout=not as_json)
    if pseudo_likelihood is not None:
        beside = {"--data": data, "--all": every, "--detail": detail, "--fail-under": fail_under}
        check_alone(checkpoints, [name for name, value in beside.items() if value])
        folder = find_run(checkpoints[0]).path
        place = joined(cluster, folder, timeout=rendezvous_timeout, terminal=terminal)
        given = checkpoints[0], pseudo_likelihood, device
        _score_sentences(place, *given, share_device=share_device, as_json=as_json)
        return
    if finetuned := [path for path in checkpoints if is_finetuned(path)]:
        if others := [path for path in checkpoints if path not in finetuned]:
            raise ConfigError(
                f"{finetuned[0]} is a fine-tuned model, and {others[0]} is none: they have no "
                "scores in common",
                hint=f"electra evaluate {others[0]}, and the others in a command of their own",
            )
        if every or detail:
            raise ConfigError(
                f"{'--all' if every else '--detail'} is for runs of pretraining",
                hint="leave it out, or name a run of `electra pretrain`",
            )
        folder = folder_of(checkpoints[0]) or checkpoints[0]
        place = joined(cluster, folder, timeout=rendezvous_timeout, terminal=terminal)
        _evaluate_finetuned(
            place,
            checkpoints,
            data,
            device,
            fail_under or [],
            share_device=share_device,
            as_json=as_json,
        )
        return
    from electra_cli.objectives import metrics_of, objective_of

    with contextlib.ExitStack() as stack:
        # There is nothing to save: each ends the command where it is.
        signals = stack.enter_context(StopSignals())
        limits = _limits(fail_under or [])
        parse_device(device)  # a mistake in it is known before TensorFlow starts
        place = joined(
            cluster, find_run(checkpoints[0]).path, timeout=rendezvous_timeout, terminal=terminal
        )
        worker, terminal = stack.enter_context(place)
        found = choose_checkpoints(checkpoints, every=every, worker=worker)

        def plan() -> dict[Path, Objective]:
            if not worker.is_alone:
                parse_device(device).check_in_cluster()
            settings = {c.run.path: c.config().objective for c in found}
            return {path: objective_of(of_run) for path, of_run in settings.items()}

        objectives = by_all(worker, "plan", plan)
        for path, objective in objectives.items():
            _check_limits(limits, path, objective)
        facts = by_all(worker, "data", lambda: facts_of(found, data))
        check_same(worker, {"command": {"--fail-under": limits, "--detail": detail}, **facts})

        from electra_cli.environment import prepare_tensorflow

        prepare_tensorflow()
        from electra_cli.evaluation.evaluate import evaluate
        from electra_cli.runs.totals import totals_of

        with terminal.progress("evaluating", len(found), counted=True) as bar:
            results = evaluate(
                found,
                data=data,
                device=device,
                share=share_device,
                on_progress=bar.update,
                check_stop=signals.check,
                warn=terminal.warn,
                worker=worker,
            )
    labels = _labels([result.checkpoint for result in results])
    costs = {
        one: totals_of(one.run, one.config(), one.step).flops
        for one in (result.checkpoint for result in results)
    }
    columns = {
        label: {FLOPS: costs[result.checkpoint]} | result.metrics
        for label, result in zip(labels, results, strict=True)
    }
    names = metrics_of(objectives.values(), detail=detail)
    print_metrics(terminal, "Held-out data", columns, names=names)
    newest = {result.checkpoint.run: result for result in results}  # the last one of each run
    for label, result in zip(labels, results, strict=True):
        if result is newest[result.checkpoint.run]:
            for sentence in result.baselines.sentences(result.metrics):
                terminal.result(sentence if len(results) == 1 else f"{label}: {sentence}")
    for before, after in itertools.pairwise(results):
        run = after.checkpoint.run
        remark = objectives[run.path].remark
        if before.checkpoint.run == run and (why := remark(before.metrics, after.metrics)):
            terminal.result(why)
            break
    missed = missed_limits(columns, limits, format_metric)
    for text in missed:
        terminal.warn(text)
    if as_json:
        emit_json(
            {
                "command": "evaluate",
                "checkpoints": [
                    {
                        "checkpoint": str(result.checkpoint.prefix),
                        "step": result.checkpoint.step,
                        FLOPS: costs[result.checkpoint],
                        "metrics": finite(result.metrics),
                        "baselines": result.baselines.beside(result.metrics),
                    }
                    for result in results
                ],
            }
        )
    if missed:
        raise typer.Exit(1)


def _evaluate_finetuned(
    place: AbstractContextManager[tuple[Worker, Terminal]],
    paths: Sequence[Path],
    data: Path | None,
    device: str,
    fail_under: Sequence[str],
    *,
    share_device: bool,
    as_json: bool,
) -> None:
    """Scores what `electra finetune` wrote on a labelled file."""
    from electra_cli.cli.screen.finetuning import print_scores
    from electra_cli.environment import prepare_tensorflow
    from electra_cli.evaluation.labelled import labelled_data
    from electra_cli.runs.commit import file_sha256
    from electra_cli.sources.finetuned import open_finetuned
    from electra_cli.training.devices.strategy import parse_device

    if data is None:
        raise ConfigError(
            f"{paths[0]} is a fine-tuned model, and there is no --data",
            hint="--data FILE with labels",
        )
    parse_device(device)
    limits = parse_limits(fail_under)
    with StopSignals(), place as (worker, terminal):

        def plan() -> list[LabelledData]:
            if not worker.is_alone:
                parse_device(device).check_in_cluster()
            read = [labelled_data(open_finetuned(path), data) for path in paths]
            for one in read:
                check_names(limits, one.metrics)
            return read

        read = by_all(worker, "plan", plan)
        models = {str(one.model.run.path): one.model.checkpoint.state_sha256 for one in read}
        check_same(
            worker,
            {
                "command": {"--fail-under": limits},
                "checkpoints": models,
                "data": {"--data": file_sha256(data)},
            },
        )
        for warning in dict.fromkeys(text for one in read for text in one.warnings):
            terminal.warn(warning)
        prepare_tensorflow()
        from electra_cli.evaluation.finetuned import evaluate_finetuned

        results = evaluate_finetuned(
            read, device=device, share=share_device, warn=terminal.warn, worker=worker
        )
    columns = {str(result.model.run.path): result.metrics for result in results}
    print_scores(terminal, f"Scores on {data}", columns)
    scores = {
        path: {name: math.nan if value is None else value for name, value in metrics.items()}
        for path, metrics in columns.items()
    }
    missed = missed_limits(scores, limits)
    for text in missed:
        terminal.warn(text)
    if as_json:
        emit_json(
            {
                "command": "evaluate",
                "data": str(data),
                "models": [
                    {
                        "run": str(result.model.run.path),
                        "examples": result.examples,
                        "metrics": result.metrics,
                    }
                    for result in results
                ],
            }
        )
    if missed:
        raise typer.Exit(1)


def _score_sentences(
    place: AbstractContextManager[tuple[Worker, Terminal]],
    path: Path,
    file: Path,
    device: str,
    *,
    share_device: bool,
    as_json: bool,
) -> None:
    """Scores sentences by an Electric."""
    from electra_cli.environment import prepare_tensorflow
    from electra_cli.evaluation.pseudo_likelihood import read_sentences, score
    from electra_cli.runs.named import find_checkpoints
    from electra_cli.training.devices.strategy import parse_device

    parse_device(device)
    with StopSignals() as signals, place as (worker, terminal):
        if not worker.is_alone:
            raise ConfigError(
                "--pseudo-likelihood is for one process, and there are several workers",
                hint="--cluster none",
            )
        checkpoint = find_checkpoints(path)[-1]
        sentences = read_sentences(checkpoint, file)
        prepare_tensorflow()
        with terminal.progress("scoring", len(sentences.texts), counted=True) as bar:
            found = score(
                sentences,
                device=device,
                share=share_device,
                on_progress=bar.update,
                check_stop=signals.check,
                warn=terminal.warn,
            )
    rows = [
        (one.sentence, f"{len(one.tokens):,}", f"{one.score:.4f}", f"{one.mean:.4f}")
        for one in found
    ]
    title = f"Pseudo-log-likelihood of {file}, in nats: the higher, the likelier"
    terminal.table(title, ("sentence", "tokens", "score", "a token"), rows)
    if as_json:
        emit_json(
            {
                "command": "evaluate",
                "checkpoint": str(checkpoint.prefix),
                "step": checkpoint.step,
                "sentences": [{"score": one.score, **asdict(one)} for one in found],
            }
        )


def _labels(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """A name for each checkpoint: its step, after as much of its run's path as tells runs apart."""
    runs = list(dict.fromkeys(checkpoint.run.path for checkpoint in checkpoints))
    names = [path.name for path in runs]
    if len(runs) == 1:
        names = [""]
    elif len(set(names)) < len(runs):
        names = [str(path) for path in runs]
    prefix = dict(zip(runs, names, strict=True))
    return [f"{prefix[c.run.path]} step {c.step:,}".strip() for c in checkpoints]


def _check_known(text: str, name: str) -> None:
    """Refuses a metric that no objective has."""
    from electra_cli.objectives import all_objectives, metrics_of

    known = metrics_of(all_objectives(), detail=True)
    if name not in known:
        near = nearest(name, known)
        shown = metrics_of(all_objectives())  # all that are known would be too many
        form = f"--fail-under {{}}={text[len(name) + 1 :] or 'VALUE'}"
        raise ConfigError(
            f"--fail-under {text!r}: unknown metric {name!r}",
            hint=did_you_mean(name, [near] if near else shown, form=form),
        )


def _limits(texts: Sequence[str]) -> dict[str, float]:
    """Reads METRIC=VALUE pairs, of metrics that any objective has."""
    limits = parse_limits(texts, _check_known)
    for name, limit in limits.items():
        if is_share(name) and limit > 1:
            raise ConfigError(
                f"--fail-under {name}={limit:g}: {name} is a share, at most 1",
                hint=f"--fail-under {name}={min(1.0, limit / 100):g}",
            )
    return limits


def _check_limits(limits: Mapping[str, float], run: Path, objective: Objective) -> None:
    """Refuses limits on metrics that a run's objective does not have."""
    from electra_cli.objectives import metrics_of

    for name in limits:
        if name not in metrics_of([objective], detail=True):
            raise ConfigError(
                f"--fail-under {name}: {run} has no such metric, since its objective is "
                f"{objective.settings.name}",
                hint=f"choose one of {', '.join(objective.metrics)}",
            )

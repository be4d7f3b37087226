"""electra finetune: is the model any good, and which checkpoint is best."""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

import typer

from electra_cli.cli import options
from electra_cli.cli.joining import joined
from electra_cli.cli.screen.console import Terminal, emit_json, show_error
from electra_cli.cli.screen.finetuning import (
    FinetuneDisplay,
    print_comparison,
    print_overview,
    print_scores,
)
from electra_cli.cluster.acts import ALONE, by_all, by_chief
from electra_cli.cluster.compare import check_same
from electra_cli.cluster.discovery.choice import find_cluster
from electra_cli.errors import ConfigError, ElectraError, InputMissingError, counted
from electra_cli.metrics.limits import check_names, missed_limits, parse_limits
from electra_cli.training.loop.signals import StopSignals
from electra_cli.training.loop.watchdog import Watchdog

if TYPE_CHECKING:
    from electra_cli.cluster.member import Worker
    from electra_cli.finetuning.inference import Prediction
    from electra_cli.finetuning.plan import FinetunePlan
    from electra_cli.finetuning.result import Comparison
    from electra_cli.finetuning.run import Bench

EXAMPLES = """
electra finetune runs/mine --task mrpc --data MRPC --output runs/mrpc
electra finetune mine --task regression --train a.csv --dev b.csv --output r
electra finetune mine --task qa --train a.json --dev b.json --all --output q
"""
COMPARISON, RECIPE, RESULTS = "What is compared", "Recipe", "Results"
LESS_MEMORY = (
    "use a smaller --batch-size, or --set train.accumulation_steps=2 to keep the batch; a smaller "
    "--max-length"
)


# fmt: off
def command(
    source: options.Source,
    output: Annotated[Path, typer.Option(
        "--output", metavar="DIR", show_default=False,
        help="Folder for results. The same command again goes on in it.")],
    task: options.Task = None,
    task_file: options.TaskFile = None,
    train: options.Train = None,
    dev: options.Dev = None,
    data: options.Data = None,
    text: options.Text = None,
    label: options.Label = None,
    column: options.Column = None,
    max_length: options.MaxLength = None,
    seeds: Annotated[int | None, typer.Option(
        rich_help_panel=COMPARISON,
        help="Runs that differ in their seeds alone.")] = None,
    seed: Annotated[int | None, typer.Option(
        rich_help_panel=COMPARISON, help="The first seed.")] = None,
    every: Annotated[bool, typer.Option(
        "--all", rich_help_panel=COMPARISON,
        help="Every checkpoint of the run SOURCE: scores over pretraining steps, with a "
        "plot.")] = False,
    steps: Annotated[str | None, typer.Option(
        rich_help_panel=COMPARISON,
        metavar="STEPS",
        help="As --all, for the checkpoints of these steps, joined by commas.")] = None,
    random: Annotated[bool, typer.Option(
        "--random", rich_help_panel=COMPARISON,
        help="Also the same model from random weights.")] = False,
    probe: Annotated[bool, typer.Option(
        "--probe", rich_help_panel=COMPARISON,
        help="Also with the encoder as it is: only the head learns, at a rate of 1e-3 "
        "whatever --learning-rate says.")] = False,
    epochs: Annotated[float | None, typer.Option(
        rich_help_panel=RECIPE, help="Passes over the training data.")] = None,
    batch_size: Annotated[int | None, typer.Option(
        rich_help_panel=RECIPE, help="Rows in an update.")] = None,
    learning_rate: Annotated[float | None, typer.Option(
        rich_help_panel=RECIPE,
        help="Of the head; by default by the model's size.")] = None,
    layer_decay: Annotated[str | None, typer.Option(
        rich_help_panel=RECIPE,
        metavar="reference|paper|none", help="How rates fall from layer to layer.")] = None,
    head: Annotated[str | None, typer.Option(
        rich_help_panel=RECIPE,
        metavar="huggingface|reference", help="Whose layers over the encoder.")] = None,
    predict: Annotated[Path | None, typer.Option(
        rich_help_panel=RESULTS,
        metavar="FILE", help="Then predict for this file with the best run.")] = None,
    predictions: Annotated[Path | None, typer.Option(
        rich_help_panel=RESULTS,
        metavar="FILE", help="Where to; OUTPUT/predictions-NAME-COLUMN-seed-N by default.")] = None,
    fail_under: Annotated[list[str] | None, typer.Option(
        rich_help_panel=RESULTS,
        metavar="METRIC=VALUE",
        help="End with exit code 1 if the median of the seeds of the best model is lower; "
        "repeatable.")] = None,
    device: Annotated[str | None, typer.Option(
        autocompletion=options.devices, help="As in pretrain.")] = None,
    share_device: options.ShareDevice = False,
    cluster: options.Cluster = "auto",
    rendezvous_timeout: options.RendezvousTimeout = 300.0,
    precision: Annotated[str | None, typer.Option(
        autocompletion=options.precisions, help="auto, float32, bfloat16 or float16.")] = None,
    xla: Annotated[bool | None, typer.Option(
        "--xla/--no-xla", show_default="on a GPU", help="Compile the whole step with XLA.")] = None,
    track: options.Track = None,
    settings: options.Settings = None,
    reference_config: options.ReferenceConfig = None,
    vocab: options.Vocab = None,
    lowercase: options.Lowercase = None,
    dry_run: Annotated[bool, typer.Option(
        "--dry-run", help="Show the data, parameters, memory and ETA, and stop.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Fine-tune an encoder on labelled data, and say how good it is."""
    # fmt: on
    given = dict(locals())
    del debug
    started = time.perf_counter()
    terminal = Terminal(quiet=quiet, stdout=not as_json)
    with contextlib.ExitStack() as stack:
        signals = stack.enter_context(StopSignals(terminal.note))
        scratch = stack.enter_context(TemporaryDirectory(prefix="electra-"))
        loaded = options.load_task(given)
        limits = parse_limits(fail_under or [])
        if predictions is not None and predict is None:
            raise ConfigError("--predictions without --predict", hint="--predict FILE")
        if every and steps is not None:
            raise ConfigError("--all and --steps: one says it", hint="leave out --all")
        from electra_cli.finetuning.inference import plan_prediction
        from electra_cli.finetuning.plan import choose_files, plan_finetune
        from electra_cli.sources.open import open_source

        worker: Worker = ALONE
        if not dry_run:
            place = joined(cluster, output, timeout=rendezvous_timeout, terminal=terminal)
            worker, terminal = stack.enter_context(place)

        def on_progress(what: str) -> None:
            signals.check()
            terminal.note(what)

        def plan_here() -> tuple[FinetunePlan, Prediction | None]:
            if predict is not None and not predict.exists():
                raise InputMissingError(f"{predict} does not exist", hint="--predict FILE")
            files = choose_files(loaded.config, data=data, train=train, dev=dev or [])
            item = open_source(
                source,
                reference_config=reference_config,
                vocab=vocab,
                lowercase=lowercase,
                scratch=Path(scratch),
                needs_head=False,
                on_progress=on_progress,
            )
            plan = plan_finetune(
                loaded.config,
                item,
                source=source,
                files=files,
                output=output,
                every=every,
                steps=_steps(steps),
                random=random,
                probe=probe,
                cluster=find_cluster(cluster, os.environ) if dry_run else worker.cluster,
                on_progress=on_progress,
            )
            check_names(limits, plan.data.metrics)
            if predict is None:
                return plan, None
            return plan, plan_prediction(plan, predict, predictions)

        plan, planned = by_all(worker, "plan", plan_here)
        for note in () if planned is None else planned.split.notes:
            terminal.warn(f"{predict}: {note}")
        print_overview(terminal, plan.data.overview)
        for warning in plan.data.warnings:
            terminal.warn(warning)
        if dry_run:
            _look_ahead(plan, terminal, as_json=as_json)
            return
        from electra_cli.finetuning.sameness import facts_of

        if not worker.is_alone:
            check_same(worker, {**facts_of(plan, planned), "limits": {"--fail-under": limits}})
        signals.follow(worker)
        comparison, result = _train(
            plan,
            terminal,
            signals,
            worker,
            planned=planned,
            plots=every or steps is not None,
            started=started,
            as_json=as_json,
        )
    print_comparison(terminal, comparison)
    best = comparison.best
    title = f"Scores of {comparison.best_column.label}"
    print_scores(terminal, title, {f"best run, seed {best.seed}": best.metrics})
    for path in filter(None, [*result["plots"], result["predictions"]]):
        terminal.result(f"written: {path}")
    terminal.note(f"next: electra export {output} --format huggingface --output DIR")
    medians = {f"the median of {comparison.best_column.label}": _medians(comparison)}
    missed = missed_limits(medians, limits)
    for sentence in missed:
        terminal.warn(sentence)
    if as_json:
        emit_json(result)
    if missed:
        raise typer.Exit(1)


def _steps(text: str | None) -> list[int]:
    """Reads N,N,…."""
    try:
        return [int(part) for part in text.split(",")] if text is not None else []
    except ValueError:
        raise ConfigError(
            f"--steps {text}: expected numbers joined by commas", hint="--steps 0,1000"
        ) from None


def _train(
    plan: FinetunePlan,
    terminal: Terminal,
    signals: StopSignals,
    worker: Worker,
    *,
    planned: Prediction | None,
    plots: bool,
    started: float,
    as_json: bool,
) -> tuple[Comparison, dict[str, Any]]:
    """Trains and predicts in the locked folder, and writes what came of it."""
    from electra_cli.environment import prepare_tensorflow

    def result_of_runs() -> dict[str, Any]:
        return {
            "command": "finetune",
            **_given(plan),
            "warnings": list(plan.data.warnings),
            **comparison.as_json(),
            "seeds": sorted({run.seed for runs in comparison.runs.values() for run in runs}),
            "plots": [str(path) for path in _draw(plan, comparison)] if plots else [],
            "predictions": None,
        }

    def recorded(result: dict[str, Any]) -> dict[str, Any]:
        result["seconds"] = time.perf_counter() - started
        plan.folder.write_result(plan.folder.result, result)
        return result

    with plan.folder.locked() if worker.is_chief else contextlib.nullcontext():
        prepare_tensorflow()
        from electra_cli.finetuning.predicting import predict_best
        from electra_cli.training.loop.peers import failures_named, leaving_together

        with leaving_together(worker), failures_named(worker, lambda: "in the fine-tuning"):
            comparison, bench = _run(plan, terminal, signals, worker, as_json=as_json)
            # First, since predictions that cannot be written must not cost it.
            result = by_chief(worker, "result", lambda: recorded(result_of_runs()))
            if planned is not None:
                written = predict_best(planned, comparison, bench, signals)
                result |= {"predictions": str(written)}
                result = by_chief(worker, "result with predictions", lambda: recorded(result))
    return comparison, result


def _run(
    plan: FinetunePlan, terminal: Terminal, signals: StopSignals, worker: Worker, *, as_json: bool
) -> tuple[Comparison, Bench]:
    from electra_cli.finetuning.run import finetune

    def stalled(error: ElectraError) -> None:
        show_error(error.message, error.hint, error.exit_code, as_json=as_json)

    watchdog = Watchdog(plan.config.runtime.stall_timeout, stalled, worker=worker)
    with FinetuneDisplay(terminal, plan.data.kind.metric) as display, watchdog:
        return finetune(plan, listener=display, signals=signals, watchdog=watchdog, worker=worker)


def _look_ahead(plan: FinetunePlan, terminal: Terminal, *, as_json: bool) -> None:
    """Shows what --dry-run is asked for."""
    from dataclasses import asdict

    from electra_cli.cli.screen.training import print_outlook
    from electra_cli.environment import prepare_tensorflow

    prepare_tensorflow()
    from electra_cli.finetuning.run import outlook_of_plan
    from electra_cli.training.devices.strategy import build_strategy

    tf32 = plan.config.runtime.tf32
    strategy = build_strategy(plan.device, share=True, tf32=tf32, warn=terminal.warn)
    outlook = outlook_of_plan(plan, strategy, dry_run=True)
    print_outlook(terminal, outlook)
    terminal.result(f"{counted(len(plan.columns) * len(plan.seeds), 'run')} like this")
    if outlook.shortage:
        terminal.warn(outlook.shortage)
    if as_json:
        emit_json(
            {
                "command": "finetune",
                "dry_run": True,
                **_given(plan),
                "data": asdict(plan.data.overview),
                "warnings": list(plan.data.warnings),
                "runs": len(plan.columns) * len(plan.seeds),
                "steps": plan.steps,
                "parameters": outlook.budget.parameters.total,
                "memory_bytes": outlook.memory.needed,
                "memory_limit_bytes": outlook.memory.limit and outlook.memory.limit.bytes,
                "estimated_seconds": (outlook.seconds or 0.0) * len(plan.columns) * len(plan.seeds),
            }
        )


def _given(plan: FinetunePlan) -> dict[str, Any]:
    """What was asked for, as both objects of `--json` say it."""
    return {
        "output": str(plan.folder.path),
        "source": str(plan.source),
        "task": plan.config.preset,
        "kind": plan.config.task.kind,
        "labels": list(plan.data.kind.labels),
        "seeds": list(plan.seeds),
    }


def _draw(plan: FinetunePlan, comparison: Comparison) -> list[Path]:
    """Draws the score over pretraining steps."""
    from electra_cli.report.plots.score_curve import Curve, write

    title = f"{plan.config.preset} over the pretraining of {plan.source.name}"
    curve = Curve(comparison.scored(), comparison.metric, comparison.majority, title)
    paths = [plan.folder.path / f"curve.{ending}" for ending in ("svg", "png")]
    for path in paths:
        write(curve, path)
    return paths


def _medians(comparison: Comparison) -> dict[str, float]:
    """Of each score over the seeds of the best column; one that is not defined is the worst.

    That of what runs are compared by is the table's.
    """
    column = comparison.best_column.name
    runs = comparison.runs[column]
    medians = {
        name: statistics.median(
            -math.inf if math.isnan(score := run.score(name)) else score for run in runs
        )
        for name in dict.fromkeys(name for run in runs for name in run.metrics)
    }
    return medians | {comparison.metric: comparison.spreads()[column].median}

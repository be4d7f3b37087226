"""How a training run and its numbers look: plain values in, tables and lines out."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from electra_cli.cli.screen.console import Terminal
from electra_cli.cli.screen.progress import ProgressReporter
from electra_cli.errors import counted, format_duration, listed
from electra_cli.metrics.names import FLOPS, FROM_HERE_EXPONENTS, format_flops, format_metric

if TYPE_CHECKING:
    from electra_cli.health.finding import Change
    from electra_cli.interop.values import Report
    from electra_cli.metrics.baselines import Baselines
    from electra_cli.objectives.base import Objective
    from electra_cli.runs.run_folder import Checkpoint
    from electra_cli.training.loop.listener import Progress
    from electra_cli.training.plan.outlook import Outlook


COMPILING = ("compiling", "can take minutes")


def print_outlook(terminal: Terminal, outlook: Outlook) -> None:
    """The table before step 1."""
    budget, parameters = outlook.budget, outlook.budget.parameters
    rows = [("parameters, total", f"{parameters.total:,}")]
    if parameters.generator and parameters.discriminator:
        rows += [
            ("  generator alone", f"{parameters.generator:,}"),
            ("  discriminator alone", f"{parameters.discriminator:,}"),
            ("  shared embeddings", f"{parameters.shared:,}"),
        ]
    rows += [
        ("FLOPs a token", f"{budget.flops_per_token / 1e6:,.1f} M"),
        ("tokens a step", f"{budget.tokens_per_step:,}"),
        ("steps", f"{outlook.start_step:,} … {_last(outlook.stop)}"),
        ("FLOPs", "no end" if outlook.flops is None else format_flops(outlook.flops)),
        ("epochs", "n/a" if outlook.epochs is None else f"{outlook.epochs:,.2f}"),
        ("memory (estimate)", _memory(outlook)),
        ("devices", f"{outlook.device} ({counted(outlook.replicas, 'replica')})"),
        ("precision", _precision(outlook)),
        ("compiled by XLA", "the whole step" if outlook.xla else "element-wise chains"),
        ("measured matmul peak", f"{outlook.peak_flops / 1e9:,.0f} GFLOP/s"),
        ("time (estimate)", _time(outlook.seconds)),
    ]
    terminal.table("Before step 1", ("", "value"), rows)


def _last(stop: int | None) -> str:
    return "no end" if stop is None else f"{stop:,}"


def _time(seconds: float | None) -> str:
    return "no end" if seconds is None else f"{format_duration(seconds)} at 30% of the peak"


def _memory(outlook: Outlook) -> str:
    """What is needed, and of how much."""
    needed, limit = outlook.memory.needed / 2**30, outlook.memory.limit
    of = "" if limit is None else f" of {limit.bytes / 2**30:,.1f} GiB"
    each = "" if limit is not None and limit.shared else " a replica"
    return f"{needed:,.1f} GiB{each}{of}"


def _precision(outlook: Outlook) -> str:
    """The compute type, and why if nobody chose it."""
    if outlook.asked != "auto":
        return outlook.precision
    found = "in hardware" if outlook.precision == "bfloat16" else "no bfloat16 here"
    return f"{outlook.precision} (auto: {found})"


def print_metrics(
    terminal: Terminal,
    title: str,
    checkpoints: Mapping[str, Mapping[str, float]],
    *,
    names: Sequence[str],
) -> None:
    """Validation metrics of checkpoints side by side; the longer of both lists goes down.

    What each has cost stands first, where it is known.
    """
    if any(FLOPS in metrics for metrics in checkpoints.values()):
        names = (FLOPS, *names)
    cells = {
        name: [format_metric(name, metrics.get(name)) for metrics in checkpoints.values()]
        for name in names
    }
    if len(checkpoints) <= len(names):
        rows = [(name, *row) for name, row in cells.items()]
        terminal.table(title, ("metric", *checkpoints), rows)
    else:
        rows = [
            (name, *row)
            for name, row in zip(checkpoints, zip(*cells.values(), strict=True), strict=True)
        ]
        terminal.table(title, ("checkpoint", *names), rows)


def print_finished(terminal: Terminal, result: Mapping[str, Any]) -> None:
    """What a finished run says last."""
    speed = result["sequences_per_second"]
    terminal.note(
        f"finished at step {result['final_step']:,}: {_cost(result)}{speed:,.1f} sequences/s, "
        f"{format_duration(result['seconds'])}; checkpoint {result['checkpoint']}"
    )
    goodput = result.get("goodput") or {}  # which the result of an older electra lacks
    if goodput.get("restarts"):
        terminal.note(
            f"goodput {format_metric('goodput', goodput['goodput'])}: "
            f"{counted(goodput['restarts'], 'restart')}, "
            f"{counted(goodput['lost_steps'], 'step')} lost"
        )
    if result["report"] is not None:
        terminal.note(f"report: {result['report']}")
    terminal.note(f"next: electra evaluate {shlex.quote(str(result['run_dir']))}")


def _cost(result: Mapping[str, Any]) -> str:
    """The FLOPs of a run, which the result of an older electra lacks."""
    return f"{format_flops(result[FLOPS])} FLOPs, " if FLOPS in result else ""


def print_initial_weights(terminal: Terminal, report: Report) -> None:
    """What was loaded, what begins fresh and what was not used: numbers of variables, and names."""
    rows = [
        (part, *(str(count) if count else "" for count in counts))
        for part, counts in report.parts().items()
    ]
    title = f"Weights from {report.path} ({report.layout})"
    terminal.table(title, ("variables", "loaded", "missing", "not used"), rows)
    if report.missing:
        terminal.warn(f"these begin fresh: {', '.join(report.missing_parts())}")
    if report.unused:
        terminal.warn(f"not used: {listed(report.unused, 5)}")


def _short(loss: float) -> str:
    """A loss in a line of progress: with four digits after the point where it is small."""
    if abs(loss) >= FROM_HERE_EXPONENTS:
        return f"{loss:.3e}"
    return f"{loss:.{4 if loss < 1 else 3}f}"


class TrainingDisplay:
    """Shows what trains: the part of a listener that all of them have.

    Args:
      terminal: Where it is shown.
      labels: What a line of progress calls each loss, by its name.
    """

    def __init__(self, terminal: Terminal, labels: Mapping[str, str]) -> None:
        self.terminal, self._labels = terminal, labels
        self._stack = ExitStack()
        self._bar: ProgressReporter | None = None
        self.last = ""  # what a line of progress ends with

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start_bar(
        self, description: str, step: int, stop: int | None, status: Sequence[str]
    ) -> None:
        """Begins to show the way to a last step, or on and on."""
        self._stack.close()
        bar = self.terminal.progress(description, stop, counted=True)
        self._bar = self._stack.enter_context(bar)
        self._bar.update(step, status, left=math.nan)

    def end_bar(self) -> None:
        """Leaves it as it is."""
        self._stack.close()

    def initialized(self, report: Report) -> None:
        """Says what the weights begin from."""
        print_initial_weights(self.terminal, report)

    def resumed(self, checkpoint: Checkpoint) -> None:
        """Says where the run goes on."""
        self.terminal.note(f"resuming at step {checkpoint.step:,} from {checkpoint.prefix}")

    def progress(self, progress: Progress) -> None:
        """Advances the bar."""
        logs = progress.logs
        losses = [f"{label} {_short(logs[name])}" for name, label in self._labels.items()]
        more = [
            f"{progress.rates.sequences_per_second:,.1f} seq/s",
            f"lr {logs['learning_rate']:.2e}",
            f"|g| {logs['gradient_norm']:.3g}",
            f"{100 * progress.rates.peak_share:.0f}% of peak",
            f"{progress.rates.tokens_per_second:,.0f} tok/s",
            self.last,
        ]
        if self._bar is not None:
            left = math.nan if progress.seconds_left is None else progress.seconds_left
            curve = logs[next(iter(self._labels))]
            self._bar.update(progress.step, losses, more=more, curve=curve, left=left)

    def warn(self, text: str) -> None:
        """Says what failed."""
        self.terminal.warn(text)

    def note(self, text: str) -> None:
        """Says what is worth knowing."""
        self.terminal.note(text)

    def finding(self, change: Change) -> None:
        """Says that something is wrong with the run, or is no more."""
        finding, label = change.finding, "finding: "
        if change.state == "begins":
            self.terminal.warn(
                f"{finding.title}, since step {finding.since:,}: {change.evidence}; "
                f"to try: {finding.advice}",
                label=label,
            )
        else:
            over = f"no longer since step {finding.until:,}: {finding.title} ({change.evidence})"
            self.terminal.note(over, label=label)


class RunDisplay(TrainingDisplay):
    """Shows a run while it goes: the listener of `training.pretrain`.

    Args:
      terminal: Where it is shown.
      objective: What the run learns, which names its numbers.
      baselines: Of its data, which give them a meaning.
    """

    def __init__(self, terminal: Terminal, objective: Objective, baselines: Baselines) -> None:
        super().__init__(terminal, objective.labels)
        self._objective, self._baselines = objective, baselines

    def outlook(self, outlook: Outlook) -> None:
        """Prints the numbers before step 1 and starts the bar."""
        print_outlook(self.terminal, outlook)
        self.start_bar("training", outlook.start_step, outlook.stop, COMPILING)

    def evaluated(
        self,
        step: int,
        metrics: Mapping[str, float],
        before: tuple[int, Mapping[str, float]] | None,
    ) -> None:
        """Prints the validation metrics beside the previous ones."""
        columns = {} if before is None else {f"step {before[0]:,}": before[1]}
        columns[f"step {step:,}"] = metrics
        print_metrics(self.terminal, "Held-out data", columns, names=self._objective.metrics)
        for sentence in self._baselines.sentences(metrics):
            self.terminal.note(sentence)
        if before is not None and (why := self._objective.remark(before[1], metrics)):
            self.terminal.note(why)

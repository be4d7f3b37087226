"""How a training run and its numbers look: plain values in, tables and lines out."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self

from electra_cli.cli.console import ProgressReporter, Terminal, format_duration
from electra_cli.metrics.names import METRICS

if TYPE_CHECKING:
    from electra_cli.interop.values import Report
    from electra_cli.training.outlook import Outlook, Progress
    from electra_cli.training.run_folder import Checkpoint


def format_metric(name: str, value: float | None) -> str:
    """A metric as people read it: losses with four digits, shares in percent."""
    if value is None or math.isnan(value):
        return "n/a"
    if name.endswith("_perplexity"):
        return f"{value:,.1f}"
    if name.endswith(("_loss", "_auc", "_auc_reference", "_f1", "_average_precision")):
        return f"{value:.4f}"
    return f"{100 * value:.2f}%"


def print_outlook(terminal: Terminal, outlook: Outlook) -> None:
    """The table before step 1."""
    budget, parameters = outlook.budget, outlook.budget.parameters
    rows = [
        ("parameters, total", f"{parameters.total:,}"),
        ("  of the generator alone", f"{parameters.generator:,}"),
        ("  of the discriminator alone", f"{parameters.discriminator:,}"),
        ("  shared embeddings", f"{parameters.shared:,}"),
        ("FLOPs a token", f"{budget.flops_per_token / 1e6:,.1f} M"),
        ("tokens a step", f"{budget.tokens_per_step:,}"),
        ("steps", f"{outlook.start_step:,} … {outlook.stop:,}"),
        ("epochs", "n/a" if outlook.epochs is None else f"{outlook.epochs:,.2f}"),
        ("memory a replica (estimate)", f"{budget.memory_bytes / 2**30:,.2f} GiB"),
        ("devices", f"{outlook.device} ({outlook.replicas} replicas)"),
        ("precision", _precision(outlook)),
        ("compiled by XLA", "the whole step" if outlook.xla else "element-wise chains"),
        ("measured matmul peak", f"{outlook.peak_flops / 1e9:,.0f} GFLOP/s"),
        ("time (estimate, at 30% of that)", format_duration(outlook.seconds)),
    ]
    terminal.table("Before step 1", ("", "value"), rows)


def _precision(outlook: Outlook) -> str:
    """The compute type, and why if nobody chose it."""
    if outlook.asked != "auto":
        return outlook.precision
    found = "multiplies" if outlook.precision == "bfloat16" else "does not multiply"
    return f"{outlook.precision} (auto: the hardware {found} bfloat16)"


def print_metrics(
    terminal: Terminal,
    title: str,
    columns: Mapping[str, Mapping[str, float]],
    *,
    names: Sequence[str] = METRICS,
) -> None:
    """One table of validation metrics, a column for each checkpoint."""
    rows = [
        (name, *(format_metric(name, metrics[name]) for metrics in columns.values()))
        for name in names
    ]
    terminal.table(title, ("metric", *columns), rows)


def print_finished(terminal: Terminal, result: Mapping[str, Any]) -> None:
    """What a finished run says last."""
    speed = result["sequences_per_second"]
    terminal.note(
        f"finished at step {result['final_step']:,}: {speed:,.1f} sequences/s, "
        f"{format_duration(result['seconds'])}; checkpoint {result['checkpoint']}"
    )
    terminal.note(f"next: electra evaluate {result['run_dir']}")


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
        more = f" and {len(report.unused) - 5} more" if report.unused[5:] else ""
        terminal.warn(f"not used: {', '.join(report.unused[:5])}{more}")


class RunDisplay:
    """Shows a run while it goes: the listener of `training.pretrain`."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._stack = ExitStack()
        self._bar: ProgressReporter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def outlook(self, outlook: Outlook) -> None:
        """Prints the numbers before step 1 and starts the bar."""
        print_outlook(self._terminal, outlook)
        bar = self._terminal.progress("training", outlook.stop, counted=True)
        self._bar = self._stack.enter_context(bar)

    def initialized(self, report: Report) -> None:
        """Says what the weights begin from."""
        print_initial_weights(self._terminal, report)

    def resumed(self, checkpoint: Checkpoint) -> None:
        """Says where the run goes on."""
        self._terminal.note(f"resuming at step {checkpoint.step:,} from {checkpoint.prefix}")

    def progress(self, progress: Progress) -> None:
        """Advances the bar."""
        logs = progress.logs
        status = (
            f"step {progress.step:,} loss {logs['total_loss']:.3f} "
            f"gen {logs['masked_lm_loss']:.3f} disc {logs['disc_loss']:.4f} "
            f"lr {logs['learning_rate']:.2e} |g| {logs['gradient_norm']:.2f} "
            f"{progress.sequences_per_second:,.1f} seq/s {progress.tokens_per_second:,.0f} tok/s "
            f"{100 * progress.peak_share:.0f}% of peak"
        )
        if progress.seconds_left is not None:
            status += f", {format_duration(progress.seconds_left)} left"
        if self._bar is not None:
            self._bar.update(progress.step, status)

    def warn(self, text: str) -> None:
        """Says what failed."""
        self._terminal.warn(text)

    def evaluated(
        self,
        step: int,
        metrics: Mapping[str, float],
        before: tuple[int, Mapping[str, float]] | None,
    ) -> None:
        """Prints the validation metrics beside the previous ones."""
        columns = {} if before is None else {f"step {before[0]:,}": before[1]}
        columns[f"step {step:,}"] = metrics
        print_metrics(self._terminal, "Held-out data", columns)

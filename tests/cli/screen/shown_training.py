"""A program: shows a training as `electra pretrain` does, without one."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Any, cast

from electra_cli.cli.screen.console import Terminal
from electra_cli.cli.screen.training import RunDisplay, print_metrics
from electra_cli.health.finding import Change, Finding

LOSSES = {"total_loss": "loss", "masked_lm_loss": "gen", "disc_loss": "disc"}
TOTAL = 1_000_000
LONG = Finding("warmup-long", "The warm-up is long", 0, 600_000, "", "", "a shorter one")


def progress(step: int) -> Any:
    loss = 2.1 + 34 * (1 - step / TOTAL)
    logs = {"total_loss": loss, "masked_lm_loss": 9.33, "disc_loss": 0.5366}
    return SimpleNamespace(
        step=step,
        stop=TOTAL,
        seconds_left=None,
        logs=logs | {"learning_rate": 5e-4, "gradient_norm": 11.25},
        rates=SimpleNamespace(
            sequences_per_second=1017.3, peak_share=0.62, tokens_per_second=130_214.0
        ),
    )


def main() -> None:
    """Trains nothing, in twenty steps, and waits for a line in the middle if WAIT is set."""
    terminal = Terminal()
    objective = SimpleNamespace(labels=LOSSES, metrics=LOSSES, remark=lambda *_: "")
    baselines = SimpleNamespace(sentences=lambda _: ["the generator guesses"])
    with RunDisplay(terminal, cast(Any, objective), cast(Any, baselines)) as display:
        display.start_bar("training", 0, TOTAL, ("compiling", "can take minutes"))
        for step in range(0, TOTAL + 1, TOTAL // 20):
            display.progress(progress(step))
            if step == TOTAL // 2:
                if "WAIT" in os.environ:
                    input()
                display.finding(Change("begins", 0, LONG, "90 of 100"))
                display.evaluated(step, {"disc_loss": 0.5}, (0, {"disc_loss": 0.6}))
                display.finding(Change("ends", step, LONG, "40 of 100"))
    print_metrics(terminal, "a table", {f"step {n},000": {} for n in range(9)}, names=list(LOSSES))
    terminal.note("done")


if __name__ == "__main__":
    main()

"""Run folders that are made up: a configuration, the data of an old run, and lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from electra_cli.config.load import dump_config, load_config, parse_set
from electra_cli.objectives import objective_of
from electra_cli.runs.run_folder import RunFolder
from tests.places import ROOT

OLD_RUN = ROOT / "tests" / "runs" / "run_of_0_1" / "run"
# Numbers of a run that has learned: 83 word pieces have a uniform guess of 4.42.
GOOD = {"masked_lm_loss": 2.0, "disc_loss": 0.2, "disc_auc": 0.9, "replaced_rate": 0.1}
# Settings with which no finding follows from the configuration alone.
FINE = ("train.batch_size=32", "optimizer.warmup_steps=10", "train.steps=1000")

Line = dict[str, Any]


def made_run(
    folder: Path,
    lines: Iterable[Mapping[str, Any]] = (),
    *,
    settings: Iterable[str] = (),
    preset: str = "tiny",
    result: Mapping[str, Any] | None = None,
) -> RunFolder:
    """Makes a run folder.

    Args:
      folder: The folder to make.
      lines: Of metrics.jsonl; none leaves the file out.
      settings: As of --set, after FINE.
      preset: The preset.
      result: What result.json holds; None for no such file.
    """
    run = RunFolder(folder)
    shutil.copytree(OLD_RUN / "data", run.data)
    manifest = json.loads((run.data / "manifest.json").read_text())
    manifest["counts"] |= {"dropped_tokens": 0, "padding": 0}
    manifest["baselines"] = {
        "tokens": 100,
        "distinct_tokens": 40,
        "most_frequent": 10,
        "unigram_entropy": 3.5,
    }
    (run.data / "manifest.json").write_text(json.dumps(manifest))
    overrides = [parse_set(text) for text in (*FINE, "model.vocab_size=83", *settings)]
    config = load_config(preset=preset, environment={}, overrides=overrides).config
    run.config.write_text(dump_config(config))
    lines = list(lines)
    if lines:
        run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if result is not None:
        run.result.write_text(json.dumps(result))
    return run


def start(step: int, time: float, **facts: Any) -> Line:
    return {"kind": "start", "step": step, "time": time, "electra": "1", "device": "cpu", **facts}


def end(step: int, time: float, reason: str = "finished") -> Line:
    return {"kind": "end", "step": step, "time": time, "reason": reason}


def train(step: int, time: float, **values: Any) -> Line:
    """A logged step: of 32 rows that take half a second."""
    usual = {"total_loss": 12.0, "masked_lm_loss": 2.1, "disc_loss": 0.2, "gradient_norm": 0.5}
    usual |= {"sequences_per_second": 64.0, "learning_rate": 1e-4}
    return {"kind": "train", "step": step, "time": time, **usual, **values}


def validation(step: int, time: float, **values: Any) -> Line:
    """An evaluation with every metric."""
    config = load_config(preset="tiny", environment={}).config
    names = objective_of(config.objective).metrics
    return {
        "kind": "validation",
        "step": step,
        "time": time,
        **dict.fromkeys(names, 0.5),
        **GOOD,
        **values,
    }


def finished(steps: int = 1000) -> list[Line]:
    """The lines of one process that has trained to the end, well."""
    lines = [start(0, 100.0), validation(0, 101.0, masked_lm_loss=4.5, disc_auc=0.5)]
    for step in range(100, steps + 1, 100):
        lines.append(train(step, 100.0 + step))
    return [*lines, validation(steps, 101.0 + steps), end(steps, 102.0 + steps)]

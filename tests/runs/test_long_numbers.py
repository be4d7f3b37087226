"""Numbers in metrics.jsonl that no run can have written."""

from __future__ import annotations

import json
from pathlib import Path

from electra_cli.runs.metrics_file import Series, read_lines


def test_a_number_of_hundreds_of_digits_is_none(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    line = {"kind": "train", "step": 1, "loss": 10**400, "time": -(10**400), "auc": 0.5}
    line |= {"ppl": 1e200, "is_odd": True}
    path.write_text(json.dumps(line) + "\n")
    (read,) = read_lines(path)
    assert (read["loss"], read["time"], read["auc"]) == (None, None, 0.5)
    assert list(Series.of([read]).columns) == ["auc"]

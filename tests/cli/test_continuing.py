"""Continuing in practice: on other text with a new schedule, and on longer rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from electra_cli.export.run import export
from electra_cli.runs.metrics_file import read_history
from tests.conftest import Electra, settings
from tests.prepared import prepare


@pytest.mark.slow
def test_the_loss_goes_on_where_it_was(electra: Electra, trained: Path, tmp_path: Path) -> None:
    """Through Hugging Face's format to other text and a second phase with longer rows."""
    from pydoc_data.topics import topics

    text, data, source, run = (tmp_path / name for name in ("a.jsonl", "data", "exported", "run"))
    lines = [json.dumps({"text": topics[name]}) for name in sorted(topics)[40:60]]
    text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    prepare(
        inputs=text,
        output=data,
        vocab=trained / "data" / "vocab.txt",
        sequence_length=64,
        workers=1,
        validation_fraction=0.2,
        seed=1,
    )
    export(checkpoint=trained, format="huggingface", output=source)
    result = electra(
        "pretrain", "--preset", "tiny", "--data", data, "--model-dir", run, "--device", "cpu",
        "--init-from", source, "--steps", 3, "--stop-at-step", 1, "--learning-rate", 1e-4,
        *settings("data.sequence_length=64"), "--json",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    evaluated = electra("evaluate", trained, "--data", data, "--device", "cpu", "--json").json
    expected = evaluated["checkpoints"][0]["metrics"]["total_loss"]
    first = read_history(run / "metrics.jsonl").of_kind("validation")[0]
    assert first["step"] == 0
    assert first["total_loss"] == pytest.approx(expected, rel=1e-6)
    # The first step's loss is that of its own rows, and with dropout.
    assert result.json["losses"]["total_loss"] == pytest.approx(expected, rel=0.15)

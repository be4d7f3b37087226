"""Continuing in practice: on other text with a new schedule, and on longer rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from electra_cli.export.run import export
from tests.conftest import Electra, settings
from tests.prepared import prepare


def prepare_like(corpus: Path, trained: Path, output: Path, length: int) -> Path:
    prepare(
        inputs=corpus,
        output=output,
        vocab=trained / "data" / "vocab.txt",
        sequence_length=length,
        workers=1,
        validation_fraction=0.2,
        seed=1,
    )
    return output


@pytest.mark.parametrize(("other_text", "length"), [(True, 32), (False, 64)])
def test_the_loss_goes_on_where_it_was(
    electra: Electra, trained: Path, corpus: Path, tmp_path: Path, other_text: bool, length: int
) -> None:
    """(a) through Hugging Face's format, on other text; (b) a second phase with longer rows."""
    text = corpus
    if other_text:
        from pydoc_data.topics import topics

        text = tmp_path / "other.jsonl"
        lines = [json.dumps({"text": topics[name]}) for name in sorted(topics)[40:60]]
        text.write_text("\n".join(lines) + "\n", encoding="utf-8")
    data = prepare_like(text, trained, tmp_path / "data", length)
    source = trained
    if other_text:
        source = tmp_path / "exported"
        export(checkpoint=trained, format="huggingface", output=source)
    run = tmp_path / "run"
    result = electra(
        "pretrain", "--preset", "tiny", "--data", data, "--model-dir", run, "--device", "cpu",
        "--init-from", source, "--steps", 3, "--stop-at-step", 1, "--learning-rate", 1e-4,
        *settings(f"data.sequence_length={length}"), "--json",
    )  # fmt: skip
    assert result.code == 0, result.stderr
    evaluated = electra("evaluate", trained, "--data", data, "--device", "cpu", "--json").json
    expected = evaluated["checkpoints"][0]["metrics"]["total_loss"]
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert (records[0]["kind"], records[0]["step"]) == ("validation", 0)
    assert records[0]["total_loss"] == pytest.approx(expected, rel=1e-6)
    # The first step's loss is that of its own rows, and with dropout.
    assert result.json["losses"]["total_loss"] == pytest.approx(expected, rel=0.15)

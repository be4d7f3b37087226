"""Sentences scored by an Electric: the sums, and what is refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.evaluation import pseudo_likelihood
from electra_cli.interop.weights import load_checkpoint
from electra_cli.runs.named import find_checkpoints
from tests.conftest import Electra
from tests.export.runs import write_run

TEXTS = ["the cat sat on the mat", "cat", "the mat sat on a cat", "naïve  cats", "the cat sat"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("electric") / "run", objective="electric")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sentences.txt"
    path.write_bytes("\ufeff".encode() + "\r\n".join(TEXTS).encode() + b"\n")
    return path


def test_a_score_is_the_sum_of_negative_energies(
    electra: Electra, run: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pseudo_likelihood, "_POSITIONS", 20)  # several batches, some padded
    command = ("evaluate", run, "--device", "cpu", "--json", "--pseudo-likelihood")
    result = electra(*command, file)
    assert result.code == 0, result.stderr
    found = result.json["sentences"]
    assert [one["sentence"] for one in found] == TEXTS
    assert found[0]["tokens"] == ["the", "cat", "sat", "on", "the", "mat"]
    (checkpoint,) = find_checkpoints(run)
    model, special = load_checkpoint(checkpoint), checkpoint.manifest().special_ids
    vocabulary = (run / "data" / "vocab.txt").read_text(encoding="utf-8").splitlines()
    for one in found:
        inside = [vocabulary.index(token) for token in one["tokens"]]
        ids = tf.constant([[special.cls, *inside, special.sep]])
        features = {"input_mask": tf.ones_like(ids), "segment_ids": tf.zeros_like(ids)}
        energies = model.discriminate(ids, features)[0].numpy()[0, 1:-1]
        np.testing.assert_allclose(one["per_token"], -energies, atol=1e-4)
        assert one["score"] == pytest.approx(sum(one["per_token"]))
    assert "the mat sat on a cat" in result.stderr  # in the table

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(file.read_bytes())))
    assert electra(*command, "-").json == result.json


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, ["sentences.txt does not exist"]),
        (b"", ["sentences.txt is empty", "each line is a sentence"]),
        (b"the cat\n\n \nsat\n", ["2 lines without a token: 2; 3", "take empty ones out"]),
        (b"the cat\n" + b"the cat " * 8, ["1 line of more tokens than the 14", "2 (16)"]),
        (b"the\n\xff\xfe cat\n", ["sentences.txt, line 2", "UTF-8"]),
        ("the cat".encode("utf-16"), ["UTF-16", "UTF-8 is needed"]),
        (b"the\0cat", ["is binary", "one sentence a line"]),
    ],
)
def test_sentences_that_cannot_be_scored(
    electra: Electra, run: Path, tmp_path: Path, content: bytes | None, words: list[str]
) -> None:
    path = tmp_path / "sentences.txt"
    if content is not None:
        path.write_bytes(content)
    result = electra("evaluate", run, "--pseudo-likelihood", path, "--json")
    result.failed(66 if content is None else 65, *words)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--all"], ["--pseudo-likelihood with --all"]),
        (["--detail"], ["--pseudo-likelihood with --detail"]),
        (["--data", "folder"], ["--pseudo-likelihood with --data"]),
        (["--fail-under", "disc_auc=0.5"], ["--pseudo-likelihood with --fail-under"]),
        (["other"], ["takes one checkpoint, not 2"]),
        (["--device", "cpuu"], ["cpuu"]),
    ],
)
def test_options_without_a_meaning(
    electra: Electra, run: Path, file: Path, options: list[str], words: list[str]
) -> None:
    electra("evaluate", run, *options, "--pseudo-likelihood", file, "--json").failed(2, *words)


def test_only_an_electric_has_energies(electra: Electra, file: Path, tmp_path: Path) -> None:
    for objective in ("electra", "mlm"):
        other = write_run(tmp_path / objective, objective=objective)
        result = electra("evaluate", other, "--pseudo-likelihood", file, "--json")
        result.failed(2, f"has objective {objective}", "objective.name=electric")

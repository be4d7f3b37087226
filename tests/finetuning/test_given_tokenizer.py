"""From text to scores with a tokenizer that is no WordPiece of ours: each command takes it on."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from electra_cli.cli.app import run
from electra_cli.finetuning.predictions import path_for
from electra_cli.runs.held_out import read_held_out
from electra_cli.runs.run_folder import RunFolder
from electra_cli.sources.finetuned import open_finetuned
from tests.conftest import Electra, settings
from tests.finetuning.finished import Finished, finetune
from tests.given_tokenizers import TEXTS, given_tokenizer
from tests.prepared import prepare

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Byte-level BPE, whose padding is not 0, and in which a word needs the space before it."""
    return given_tokenizer("bytes", tmp_path_factory.mktemp("given"))


@pytest.fixture(scope="module")
def pretrained(given: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    text = "\n\n".join("\n".join(TEXTS[n : n + 3]) for n in range(len(TEXTS)))
    (folder / "text.txt").write_text(text, encoding="utf-8")
    prepare(
        inputs=folder / "text.txt",
        output=folder / "data",
        vocab=given,
        sequence_length=32,
        validation_fraction=0.2,
    )
    arguments = ["pretrain", "--preset", "tiny", "--data", str(folder / "data"), "--quiet"]
    arguments += ["--model-dir", str(folder / "run"), "--steps", "4", "--device", "cpu"]
    assert run([*arguments, *settings()]) == 0
    return folder / "run"


@pytest.fixture(scope="module")
def tagged(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    return finetune(pretrained, tmp_path_factory.mktemp("tagged"), "tagging", "--max-length", 64)


def test_a_run_and_what_its_report_shows(pretrained: Path, given: Path) -> None:
    run_folder = RunFolder(pretrained)
    assert (run_folder.data / "tokenizer.json").read_bytes() == given.read_bytes()
    assert not (run_folder.data / "vocab.txt").exists()
    lines = [json.loads(line) for line in run_folder.metrics.read_text().splitlines()]
    (found, *_) = [line for line in lines if line.get("kind") == "validation"]
    for band in ("word_start", "word_continuation"):
        assert math.isfinite(found[f"masked_lm_accuracy/{band}"])
    held_out = read_held_out(run_folder.held_out)
    assert held_out is not None
    shown = [
        " ".join(token.text for token in sentence.tokens).replace(" ##", "")
        for sentence in held_out.sentences
    ]
    # Bytes of a character that no piece holds as a whole stand there as such.
    whole = (
        r"[CLS]The cat sat on the mat, and a na\xc3\xafve dog (the small one) barked at it. [SEP]It"
    )
    assert all(text.removesuffix(" [SEP]") == whole for text in shown)


def test_fine_tuning_goes_on_and_predicts(tagged: Finished, electra: Electra) -> None:
    """With the ids of the tokenizer that the folder holds, whatever becomes of the source."""
    model = open_finetuned(tagged.folder)
    assert model.vocab == tagged.folder / "tokenizer.json"
    predicted = path_for(model.run, tagged.files.unlabelled, "tagging")
    rows = [json.loads(line) for line in predicted.read_text().splitlines()]
    assert all(None not in row["prediction"] for row in rows)
    again = electra(*tagged.command("--quiet", "--seeds", 2))
    assert again.code == 0, again.stderr
    assert len(again.json["seeds"]) == 2
    done = electra("evaluate", tagged.folder, "--data", tagged.files.dev, "--json", "--quiet")
    scores, best = done.json["models"][0]["metrics"], open_finetuned(tagged.folder).result
    assert scores["accuracy"] == pytest.approx(best["metrics"]["accuracy"], abs=1e-6)


def test_another_tokenizer_is_not_taken_for_it(
    tagged: Finished, pretrained: Path, tmp_path: Path, electra: Electra
) -> None:
    """Not in the place of a run's, of a fine-tuned model's, or beside first weights."""
    source = Path(shutil.copytree(pretrained, tmp_path / "run"))
    file = source / "data/tokenizer.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"normalizer": None}))
    error = f"{file} is not the vocabulary that the run was trained with"
    electra("export", source, "--format", "onnx", "--output", tmp_path / "x", "--json").failed(
        65, error
    )
    shutil.copy(file, tagged.copied(tmp_path / "tagged") / "tokenizer.json")
    electra("evaluate", tmp_path / "tagged", "--data", tagged.files.dev, "--json").failed(
        65, "is not the vocabulary that was used"
    )


def test_rows_are_shown_as_people_read_them(tagged: Finished, electra: Electra) -> None:
    files = ("--train", tagged.files.train, "--dev", tagged.files.dev)
    options = ("--task", "tagging", "--max-length", 64, "--examples", 2, "--json")
    found = electra("debug", "task", tagged.source, *files, *options)
    shown = found.json["examples"]
    words = tagged.files.train.read_text().split("\n\n")[0].split("\n")
    assert shown[0]["text"] == f"<s> {' '.join(word.split()[0] for word in words)} </s>"
    assert shown[0]["label"] == " ".join("/".join(word.split()) for word in words)

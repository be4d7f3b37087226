"""Case and accents belong to a tokenizer, in every command that meets one from elsewhere."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from electra_cli.export.run import export
from electra_cli.interop.source import find_source
from tests.conftest import Electra, Result, settings

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# Lower-casing takes accents away, and with them decomposes the syllables of Hangul.
KOREAN = ["한국어는", "교착어이다", "오늘", "날씨가", "좋다", "서울", "부산"]


@pytest.fixture
def korean(tmp_path: Path) -> Path:
    """A cased tokenizer, and a text of its words."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "vocab.txt").write_text("\n".join([*SPECIAL, *KOREAN]) + "\n", encoding="utf-8")
    (model / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    (tmp_path / "text.txt").write_text("\n\n".join(KOREAN), encoding="utf-8")
    return tmp_path


def prepare(electra: Electra, folder: Path, vocab: Path, *options: object) -> Result:
    output = folder / "out"
    shutil.rmtree(output, ignore_errors=True)
    return electra(
        "prepare-data", folder / "text.txt", "--vocab", vocab, "--output", output,
        "--workers", 1, "--json", *options,
    )  # fmt: skip


def test_prepare_data_takes_the_casing_beside_a_file(electra: Electra, korean: Path) -> None:
    vocab = korean / "model" / "vocab.txt"
    result = prepare(electra, korean, vocab)
    assert result.json["unknown_rate"] == 0
    said = f"casing from {vocab.with_name('tokenizer_config.json')}: case kept, accents kept"
    assert said in " ".join(result.stderr.split())
    # The prepared folder tells it too, and options go before all files.
    shutil.copytree(korean / "out", korean / "prepared")
    again = prepare(electra, korean, korean / "prepared" / "vocab.txt")
    assert (again.json["lowercase"], again.json["strip_accents"]) == (False, False)
    options = ["--lowercase", "--strip-accents", "--allow-unknown"]
    asked = prepare(electra, korean, vocab, *options)
    assert (asked.json["lowercase"], asked.json["strip_accents"]) == (True, True)
    assert "casing from --lowercase and --strip-accents: " in " ".join(asked.stderr.split())


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (SPECIAL, "has its special tokens alone"),
        ([*SPECIAL, "a", "", "b"], "put [unused0] on line 7"),
    ],
)
def test_vocabularies_that_pretrain_could_not_take(
    electra: Electra, korean: Path, lines: list[str], words: str
) -> None:
    path = korean / "words.txt"
    path.write_text("\n".join(lines) + "\n")
    prepare(electra, korean, path).failed(65, words)


def test_data_of_another_casing_is_refused(
    electra: Electra, trained: Path, data: Path, corpus: Path, tmp_path: Path
) -> None:
    other = tmp_path / "cased"
    options = ["--sequence-length", 32, "--workers", 1, "--quiet", "--allow-unknown"]
    prepared = electra(
        "prepare-data", corpus, "--vocab", trained / "data" / "vocab.txt", "--no-lowercase",
        "--output", other, *options,
    )  # fmt: skip
    assert prepared.code == 0, prepared.stderr
    evaluated = electra("evaluate", trained, "--data", other, "--device", "cpu", "--json")
    begin = ["pretrain", "--preset", "tiny", "--device", "cpu", "--json", *settings()]
    begin += ["--model-dir", tmp_path / "run", "--dry-run"]
    begun = electra(*begin, "--init-from", trained, "--data", other)
    sides = ("case kept, accents removed", "lower-cased, accents removed", str(other), str(trained))
    mended = f"prepare-data INPUT --vocab {trained / 'data'} --lowercase --strip-accents --output"
    for result in (evaluated, begun):
        result.failed(65, "another casing", *sides, mended)
    exported = tmp_path / "exported"
    export(checkpoint=trained, format="huggingface", output=exported)
    hint = f"--vocab {exported / 'discriminator'} --lowercase --strip-accents"
    electra(*begin, "--init-from", exported, "--data", other).failed(65, *sides[:3], hint)
    # As the hint says it is the tokenizer of the weights.
    again = tmp_path / "again"
    assert electra(
        "prepare-data", corpus, *hint.split(), "--output", again, *options
    ).code == 0  # fmt: skip
    made = json.loads((again / "manifest.json").read_text())
    assert made["tokenizer_sha256"] == json.loads((data / "manifest.json").read_text())[
        "tokenizer_sha256"
    ]  # fmt: skip


def test_a_checkpoint_that_was_taken_out_of_its_run(
    electra: Electra, trained: Path, tmp_path: Path
) -> None:
    """Its record tells the heads, two of 16, which nobody can see in the weights."""
    taken = Path(shutil.copytree(trained / "checkpoints" / "ckpt-12", tmp_path / "mine"))
    for path in (taken, taken / "state"):
        output = tmp_path / f"of-{path.name}"
        options = ["--format", "huggingface", "--output", output, "--json"]
        result = electra("export", path, *options, "--vocab", trained / "data")
        assert result.code == 0, result.stderr
        assert "heads as recorded" in result.stderr
        config = json.loads((output / "discriminator" / "config.json").read_text())
        assert config["num_attention_heads"] == 2
    (taken / "commit.json").write_text('{"sizes": {"model.hidden_size": "32", "more": 1}}')
    assert find_source(taken).sizes == {}


def exported_files(folder: Path) -> dict[str, Any]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_path_that_is_printed_names_the_checkpoint(
    electra: Electra, trained: Path, tmp_path: Path
) -> None:
    printed = json.loads((trained / "result.json").read_text())["checkpoint"]
    assert printed == str(trained / "checkpoints" / "ckpt-12" / "state")
    for number, path in enumerate((trained, printed, f"{printed}.index", Path(printed).parent)):
        options = ["--format", "huggingface", "--output", tmp_path / str(number), "--json"]
        assert electra("export", path, *options).code == 0
    expected = exported_files(tmp_path / "0")
    assert json.loads(expected["discriminator/config.json"])["num_attention_heads"] == 2
    for number in (1, 2, 3):
        assert exported_files(tmp_path / str(number)) == expected
    (found,) = electra("evaluate", printed, "--device", "cpu", "--json").json["checkpoints"]
    assert (found["checkpoint"], found["step"]) == (printed, 12)

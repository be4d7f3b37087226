"""The tokenizer of weights of other projects: what lies beside them says how it treats text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from electra_cli.errors import DataError
from electra_cli.export.run import export


@pytest.fixture(scope="module")
def hugging_face(one_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports") / "huggingface"
    export(checkpoint=one_run, format="huggingface", output=output)
    return output


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is not valid JSON"),
        ("[1]", "is no JSON object"),
        ('{"do_lower_case": "no"}', "do_lower_case is 'no'"),
        ('{"do_lower_case": 1}', "do_lower_case is 1"),
        ('{"strip_accents": 0}', "strip_accents is 0"),
        ('{"added_tokens_decoder": {"x": 1}}', "names no tokens and their ids"),
    ],
)
def test_a_damaged_tokenizer_config(
    hugging_face: Path, tmp_path: Path, text: str, words: str
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(hugging_face / "discriminator", folder)
    (folder / "tokenizer_config.json").write_text(text)
    with pytest.raises(DataError, match=rf"tokenizer_config\.json:? {words}"):
        export(checkpoint=folder, format="onnx", output=tmp_path / "out")


CASED, UNCASED = ({"do_lower_case": value, "strip_accents": value} for value in (False, True))
BERT = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True}


def with_tokenizer(
    folder: Path,
    *,
    config: dict[str, Any] | None = None,
    normalizer: dict[str, Any] | None = None,
    vocab: bool = True,
) -> Path:
    """Replaces the tokenizer's files of a folder by these."""
    for path in folder.glob("tokenizer*.json"):
        path.unlink()
    if config is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
    if normalizer is not None:
        tokens = (folder / "vocab.txt").read_text().splitlines()
        model = {
            "type": "WordPiece",
            "vocab": {token: index for index, token in enumerate(tokens)},
            "continuing_subword_prefix": "##",
        }
        splitter = {"type": "BertPreTokenizer"}
        content = {"model": model, "normalizer": normalizer, "pre_tokenizer": splitter}
        (folder / "tokenizer.json").write_text(json.dumps(content))
    if not vocab:
        (folder / "vocab.txt").unlink()
    return folder


@pytest.mark.parametrize("vocab", [True, False])
@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"normalizer": BERT | {"lowercase": False, "strip_accents": None}}, CASED),
        ({"normalizer": BERT | {"lowercase": True, "strip_accents": None}}, UNCASED),
        (
            {"normalizer": BERT | {"lowercase": True}, "config": {"do_lower_case": False}},
            CASED,
        ),
        ({"config": {"do_lower_case": False, "strip_accents": None}}, CASED),
        ({"config": {"model_max_length": 512}}, UNCASED),  # as transformers reads it
        ({}, UNCASED),
    ],
)
def test_casing_is_that_of_the_files_there_are(
    hugging_face: Path, tmp_path: Path, files: dict[str, Any], expected: dict[str, Any], vocab: bool
) -> None:
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    with_tokenizer(folder, **files, vocab=vocab or "normalizer" not in files)
    export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    record = json.loads((tmp_path / "out/discriminator/tokenizer_config.json").read_text())
    assert {key: record[key] for key in expected} == expected
    assert (tmp_path / "out/discriminator/vocab.txt").read_bytes() == (
        hugging_face / "discriminator/vocab.txt"
    ).read_bytes()


def test_another_kind_of_tokenizer(hugging_face: Path, tmp_path: Path) -> None:
    """The hint names what uses its word pieces all the same."""
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    with_tokenizer(folder, config={"tokenizer_class": "BertJapaneseTokenizer"})
    with pytest.raises(DataError, match="does not tokenize as BERT does") as error:
        export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    vocab = folder / "vocab.txt"
    assert f"--vocab {vocab} " in error.value.hint
    assert export(checkpoint=folder, format="huggingface", output=tmp_path / "out", vocab=vocab)


def test_dropout_of_the_source_is_kept(hugging_face: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    told = {"hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0.5}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | told))
    export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    written = json.loads((tmp_path / "out/discriminator/config.json").read_text())
    assert {key: written[key] for key in told} == told

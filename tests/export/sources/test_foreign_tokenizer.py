"""The tokenizer of weights of other projects: what lies beside them says how it treats text."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from transformers import AutoTokenizer, ElectraConfig, ElectraForPreTraining

from electra_cli.errors import ConfigError, DataError
from electra_cli.export.run import export
from electra_cli.sources.foreign import open_foreign
from tests.given_tokenizers import given_tokenizer
from tests.interop.conftest import write_tf1


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
GERMAN = {"do_lower_case": True, "strip_accents": False}
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


@pytest.mark.parametrize(
    ("config", "lowercase", "expected"),
    [
        # German without case keeps its umlauts when one says what is so anyway.
        ({"do_lower_case": True, "strip_accents": False}, True, GERMAN),
        ({"do_lower_case": False, "strip_accents": True}, False, CASED | {"strip_accents": True}),
        ({"do_lower_case": True, "strip_accents": False}, False, CASED),
        ({"do_lower_case": False}, True, UNCASED),
        (None, True, UNCASED),
        (None, False, CASED),
    ],
)
def test_an_option_says_the_casing(
    hugging_face: Path,
    tmp_path: Path,
    config: dict[str, Any] | None,
    lowercase: bool,
    expected: dict[str, Any],
) -> None:
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    with_tokenizer(folder, config=config)
    told: list[str] = []
    source = open_foreign(folder, lowercase=lowercase, scratch=tmp_path, on_progress=told.append)
    options = source.tokenizer
    assert {"do_lower_case": options.lowercase, "strip_accents": options.strip_accents} == expected
    flag = "--lowercase" if lowercase else "--no-lowercase"
    assert told == [f"casing from {flag}: {options}"]


def test_a_vocabulary_shorter_than_the_word_table(hugging_face: Path, tmp_path: Path) -> None:
    """It is filled up, which somebody who has mistaken the file must hear."""
    folder, vocab = hugging_face / "discriminator", tmp_path / "short.txt"
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    told: list[str] = []
    for kept in (len(lines), len(lines) - 7):
        vocab.write_text("\n".join(lines[:kept]) + "\n", encoding="utf-8")
        open_foreign(folder, vocab=vocab, scratch=tmp_path, on_progress=told.append)
    (said,) = [text for text in told if "without a text" in text]
    assert f"{len(lines) - 7:,} tokens and the model {len(lines):,}: 7 tokens" in said


def test_another_kind_of_tokenizer(hugging_face: Path, tmp_path: Path) -> None:
    """The hint names what uses its word pieces all the same."""
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    with_tokenizer(folder, config={"tokenizer_class": "BertJapaneseTokenizer"})
    with pytest.raises(DataError, match="does not tokenize as BERT does") as error:
        export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    vocab = folder / "vocab.txt"
    assert f"--vocab {vocab} " in error.value.hint
    assert export(checkpoint=folder, format="huggingface", output=tmp_path / "out", vocab=vocab)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_a_tokenizer_of_the_library(hugging_face: Path, tmp_path: Path, kind: str) -> None:
    """It goes on as it is, with the roles of its special tokens; case is its own affair."""
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    for name in ("vocab.txt", "tokenizer_config.json"):
        (folder / name).unlink()
    given, notes = given_tokenizer(kind, folder), list[str]()
    item = open_foreign(folder, scratch=tmp_path, on_progress=notes.append)
    assert (item.tokenizer, item.vocab, item.special_ids.pad) == (None, given, 4)
    assert any("which the library tokenizers applies" in note for note in notes)
    tokenizer = item.text_ids
    assert tokenizer is not None
    assert len(tokenizer.tokens) == 200  # with a name for each row of the word table
    with pytest.raises(ConfigError, match="--no-lowercase cannot be: the normalizer of"):
        open_foreign(folder, lowercase=False, scratch=tmp_path)
    export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    out = tmp_path / "out/discriminator"
    assert (out / "tokenizer.json").read_bytes() == given.read_bytes()
    assert json.loads((out / "config.json").read_text())["pad_token_id"] == 4
    ids = [item.special_ids.cls, *next(iter(tokenizer.ids(["a cat"]))), item.special_ids.sep]
    assert AutoTokenizer.from_pretrained(out)("a cat")["input_ids"] == ids


def test_a_tokenizer_without_a_special_token(hugging_face: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    given = given_tokenizer("bpe", folder)
    given.write_text(given.read_text().replace("<mask>", "<other>"))
    (folder / "tokenizer_config.json").unlink()
    with pytest.raises(DataError, match="lacks special tokens that pretraining needs: mask"):
        open_foreign(folder, scratch=tmp_path)


def test_dropout_of_the_source_is_kept(hugging_face: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    told = {"hidden_dropout_prob": 0.25, "attention_probs_dropout_prob": 0.5}
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | told))
    export(checkpoint=folder, format="huggingface", output=tmp_path / "out")
    written = json.loads((tmp_path / "out/discriminator/config.json").read_text())
    assert {key: written[key] for key in told} == told


@pytest.mark.parametrize("added", [{}, {"<covid>": 190, "[NEW]": 192}])
def test_a_table_with_more_rows_than_word_pieces(
    hugging_face: Path, tmp_path: Path, added: dict[str, int]
) -> None:
    """All rows get a token, those that were added theirs, and the logits stay."""
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    tokens = (folder / "vocab.txt").read_text().splitlines()[:190]
    (folder / "vocab.txt").write_text("\n".join(tokens) + "\n")
    with_tokenizer(folder, config={"do_lower_case": False})
    (folder / "added_tokens.json").write_text(json.dumps(added))
    told: list[str] = []
    export(
        checkpoint=folder, format="huggingface", output=tmp_path / "out", on_progress=told.append
    )
    assert any("rows for them: the others are called [unusedN]" in text for text in told)
    out = tmp_path / "out" / "discriminator"
    lines = (out / "vocab.txt").read_text().splitlines()
    assert (len(lines), len(set(lines)), lines[:190]) == (200, 200, tokens)
    assert {lines[number]: number for number in added.values()} == added
    assert len(AutoTokenizer.from_pretrained(out)) == 200
    assert (out / "model.safetensors").read_bytes() == (
        hugging_face / "discriminator" / "model.safetensors"
    ).read_bytes()


def test_more_word_pieces_than_rows(hugging_face: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(hugging_face / "discriminator", tmp_path / "model"))
    (folder / "added_tokens.json").write_text('{"<x>": 200}')
    with pytest.raises(DataError, match=r"has 201 tokens, the weights of .* 200"):
        export(checkpoint=folder, format="onnx", output=tmp_path / "out")


def test_a_checkpoint_with_the_state_of_a_training_loop(one_run: Path, tmp_path: Path) -> None:
    """As forks leave it that train in mixed precision; its casing is kept on the way."""
    reference, out = tmp_path / "reference", tmp_path / "out"
    export(checkpoint=one_run, format="reference", output=reference)
    (reference / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    reader = tf.train.load_checkpoint(str(reference))
    arrays = {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}
    state = {
        "current_loss_scale": np.float32(32768), "good_steps": np.int32(3),
        "beta1_power": np.float32(0.9), "loss_scale/increment": np.float32(2),
    }  # fmt: skip
    slots = {f"{name}/lamb_v": array for name, array in arrays.items() if name != "global_step"}
    prefix = write_tf1(reference / "fp16.ckpt", arrays | state | slots)
    told: list[str] = []
    export(checkpoint=prefix, format="huggingface", output=out, on_progress=told.append)
    left_out = f"left out, as it is of no network: 4 ({', '.join(sorted(state))})"
    assert left_out in told
    record = json.loads((out / "discriminator" / "tokenizer_config.json").read_text())
    assert (record["do_lower_case"], record["strip_accents"]) == (False, False)


def test_no_vocabulary_and_few_rows(tmp_path: Path) -> None:
    """The ids of special tokens are not those of the released models, which it has no rows for."""
    model = ElectraForPreTraining(
        ElectraConfig(
            vocab_size=16, embedding_size=8, hidden_size=16, num_hidden_layers=1,
            num_attention_heads=1, intermediate_size=16, max_position_embeddings=16,
        )
    )  # fmt: skip
    model.save_pretrained(tmp_path / "model")
    export(checkpoint=tmp_path / "model", format="reference", output=tmp_path / "out")
    assert not (tmp_path / "out" / "vocab.txt").exists()

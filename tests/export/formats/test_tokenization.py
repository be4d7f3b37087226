"""Exported tokenizers give the reference's ids on the recorded lines, read back as users do."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import transformers
from tokenizers import Tokenizer

from electra_cli.corpus.wordpiece.found_tokenizer import read_tokenizer
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS, load_vocabulary
from electra_cli.errors import DataError
from electra_cli.export.formats.tokenizer_files import build_tokenizer
from electra_cli.export.run import export
from tests import places
from tests.corpus.reference_words import CASINGS, different_characters, reference_words
from tests.export.runs import write_run

GOLDEN = places.GOLDEN / "tokenization"
LENGTH = 256  # the longest line has 218 word pieces


@pytest.fixture(scope="module")
def lines() -> list[dict[str, Any]]:
    with (GOLDEN / "lines.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


@pytest.fixture(scope="module", params=["lower", "cased"])
def case(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(case: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the recorded vocabulary."""
    return write_run(
        tmp_path_factory.mktemp("run") / "run",
        lowercase=case == "lower",
        strip_accents=case == "lower",
        tokens=load_vocabulary(GOLDEN / "vocab.txt"),
        length=LENGTH,
    )


def words_of(tokenizer: Tokenizer) -> Callable[[list[str]], list[list[str]]]:
    normalize = tokenizer.normalizer.normalize_str
    split = tokenizer.pre_tokenizer.pre_tokenize_str
    return lambda texts: [[word for word, _ in split(normalize(text))] for text in texts]


def steps_of(tokenizer: Tokenizer) -> list[Any]:
    """All that is done with a text."""
    found = json.loads(tokenizer.to_str())
    return [found[step] for step in ("normalizer", "pre_tokenizer", "model")]


def test_auto_tokenizer(lines: list[dict], case: str, run: Path, tmp_path: Path) -> None:
    export(checkpoint=run, format="huggingface", output=tmp_path / "out")
    options = TokenizerOptions(lowercase=case == "lower", strip_accents=case == "lower")
    built = build_tokenizer(GOLDEN / "vocab.txt", options)
    # Fine-tuning wants a literal special token to be that token, so such a line differs.
    plain = [line for line in lines if not any(t in line["text"] for t in SPECIAL_TOKENS)]
    assert (len(plain), len(lines)) == (458, 459)
    for network in ("discriminator", "generator"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out" / network)
        assert steps_of(tokenizer.backend_tokenizer) == steps_of(built)
        cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        found = tokenizer([line["text"] for line in plain])["input_ids"]
        different = [
            line["text"]
            for line, ids in zip(plain, found, strict=True)
            if ids != [cls, *line[f"{case}_ids"], sep]
        ]
        assert different == []


@pytest.mark.slow
@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_every_character_is_what_the_reference_takes_it_for(
    lowercase: bool, strip_accents: bool
) -> None:
    options = {"lowercase": lowercase, "strip_accents": strip_accents}
    tokenizer = build_tokenizer(GOLDEN / "vocab.txt", TokenizerOptions(**options))
    assert different_characters(words_of(tokenizer), **options) == []


@pytest.mark.parametrize("uncased", [True, False])
def test_words_are_those_of_the_rules(uncased: bool) -> None:
    options = {"lowercase": uncased, "strip_accents": uncased}
    tokenizer = build_tokenizer(GOLDEN / "vocab.txt", TokenizerOptions(**options))
    rng = random.Random(0)
    letters = "ΣΣΣΑα'.:,\u00ad\u0301\u0345\u200d\x08\ufffd\ue000 \t\u2028中1ʰª^\u00a8!İIÌĮ\ua7c0"
    letters += "\U0002b820\u0ebaa\u1734\U00011938\u061d\u166d\u0890\u2260\ufa0e\U000e1000"
    texts = ["".join(rng.choices(letters, k=rng.randint(1, 12))) for _ in range(2000)]
    assert words_of(tokenizer)(texts) == [reference_words(text, **options) for text in texts]


def test_a_long_word_takes_no_long_time() -> None:
    """A word of Chinese can be of any length, and one that looks far back for a letter too."""
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    normalize = build_tokenizer(GOLDEN / "vocab.txt", options).normalizer.normalize_str
    started = time.perf_counter()
    for text in ("中Σ" * 50_000, "'Σ" * 50_000, "Σ" * 100_000, "'" * 100_000 + "Σ"):
        normalize(text)
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize(("lowercase", "strip_accents"), CASINGS)
def test_an_export_is_a_vocabulary_again(
    tmp_path: Path, lowercase: bool, strip_accents: bool
) -> None:
    options = TokenizerOptions(lowercase=lowercase, strip_accents=strip_accents)
    build_tokenizer(GOLDEN / "vocab.txt", options).save(str(tmp_path / "tokenizer.json"))
    found = read_tokenizer(tmp_path)
    assert found.tokens == load_vocabulary(GOLDEN / "vocab.txt")
    assert found.options == options


_SIGMA = {"type": "Replace", "pattern": {"Regex": "Σ$"}, "content": "ς"}
_BERT = {"type": "BertNormalizer", "lowercase": True, "strip_accents": None}


@pytest.mark.parametrize(
    ("changes", "is_read"),
    [
        ({"normalizer": [_SIGMA, _BERT], "pre_tokenizer": {"type": "BertPreTokenizer"}}, True),
        ({"normalizer": [_SIGMA | {"content": "s"}, _BERT]}, False),
        ({"normalizer": [_SIGMA, {"type": "Lowercase"}]}, False),
        ({"pre_tokenizer": {"type": "WhitespaceSplit"}}, False),
    ],
    ids=["as exported before", "another replacement", "other steps", "split otherwise"],
)
def test_steps_of_other_tokenizers_are_no_vocabulary_of_ours(
    tmp_path: Path, changes: dict[str, Any], is_read: bool
) -> None:
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    content = json.loads(build_tokenizer(GOLDEN / "vocab.txt", options).to_str())
    if steps := changes.get("normalizer"):
        changes = changes | {"normalizer": {"type": "Sequence", "normalizers": steps}}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content | changes), encoding="utf-8")
    if is_read:
        assert read_tokenizer(tmp_path).options == options
    else:
        with pytest.raises(DataError, match="does not tokenize as BERT does"):
            read_tokenizer(tmp_path)


def test_saved_model(lines: list[dict], case: str, run: Path, tmp_path: Path) -> None:
    """A few of the lines: the model runs too, and `test_in_graph_tokenizer` has them all."""
    lines = lines[::20]
    export(checkpoint=run, format="saved-model", output=tmp_path / "out")
    serve = tf.saved_model.load(str(tmp_path / "out")).signatures["text"]
    found = serve(text=tf.constant([line["text"] for line in lines]))["input_ids"].numpy().tolist()
    cls, sep, pad = 2, 3, 0
    different = [
        line["text"]
        for line, ids in zip(lines, found, strict=True)
        if [token for token in ids if token != pad] != [cls, *line[f"{case}_ids"], sep]
    ]
    assert different == []

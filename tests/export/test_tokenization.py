"""Exported tokenizers give the reference's ids on the recorded lines, read back as users do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
import transformers

from electra_cli.corpus.vocabulary import SPECIAL_TOKENS, load_vocabulary
from electra_cli.export.run import export
from tests.export.runs import write_run

GOLDEN = Path(__file__).parents[1] / "golden" / "tokenization"
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


def test_auto_tokenizer(lines: list[dict], case: str, run: Path, tmp_path: Path) -> None:
    export(checkpoint=run, format="huggingface", output=tmp_path / "out")
    # Fine-tuning wants a literal special token to be that token, so such a line differs.
    plain = [line for line in lines if not any(t in line["text"] for t in SPECIAL_TOKENS)]
    assert (len(plain), len(lines)) == (458, 459)
    for network in ("discriminator", "generator"):
        tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out" / network)
        cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
        found = tokenizer([line["text"] for line in plain])["input_ids"]
        different = [
            line["text"]
            for line, ids in zip(plain, found, strict=True)
            if ids != [cls, *line[f"{case}_ids"], sep]
        ]
        assert different == []


def test_saved_model(lines: list[dict], case: str, run: Path, tmp_path: Path) -> None:
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

"""A tokenizer that is no WordPiece of ours, exported with a model that it belongs to."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

os.environ.setdefault("HF_HUB_OFFLINE", "1")

from electra_cli.config.finetune import Kind
from electra_cli.export.formats.given_tokenizer import adds_special, splits_words
from electra_cli.export.run import export
from electra_cli.runs.named import find_checkpoints
from electra_cli.sources.exportable import Exportable, open_own
from electra_cli.sources.finetuned import open_finetuned
from tests.export.runs import write_run
from tests.finetuning.finetuned_folders import write_finetuned
from tests.given_tokenizers import TEXTS, given_tokenizer

WORDS = ["The", "cat", "sat", ",", "naïve", "猫が", "☃"]


@pytest.fixture(scope="module", params=[("bytes", False), ("bpe", True), ("unigram", False)])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of each kind, whose file has the template of the training or has none."""
    kind, template = request.param
    folder = tmp_path_factory.mktemp(kind)
    given = given_tokenizer(kind, folder / "given", template=template)
    return write_run(folder / "run", given=given, length=48)


@pytest.fixture(scope="module")
def item(run: Path) -> Exportable:
    return open_own(find_checkpoints(run)[0])


@pytest.fixture(scope="module")
def exported(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("exports") / "huggingface"
    export(checkpoint=run, format="huggingface", output=output)
    return output


def card_code(page: Path) -> str:
    return page.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]


def test_the_file_and_what_lies_beside_it(run: Path, item: Exportable, exported: Path) -> None:
    tokenizer = item.text_ids
    assert tokenizer is not None
    for part in ("discriminator", "generator"):
        given = (run / "data/tokenizer.json").read_bytes()
        assert (exported / part / "tokenizer.json").read_bytes() == given
        assert not (exported / part / "vocab.txt").exists()
        told = json.loads((exported / part / "tokenizer_config.json").read_text())
        special = tokenizer.special.model_dump()
        assert told["pad_token"] == "<pad>" == tokenizer.tokens[special["pad"]]
        assert {role: tokenizer.tokens[n] for role, n in special.items()} == {
            role: told[f"{role}_token"] for role in special
        }
        config = json.loads((exported / part / "config.json").read_text())
        assert config["pad_token_id"] == special["pad"] == 4
        assert config["vocab_size"] == len(tokenizer.tokens)


def test_transformers_makes_the_rows_of_the_training(
    item: Exportable, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AutoTokenizer alone where the file has its template, the card's code where it has not."""
    tokenizer = item.text_ids
    assert tokenizer is not None
    monkeypatch.chdir(exported)
    names: dict[str, Any] = {}
    exec(card_code(exported / "discriminator/README.md"), names)
    loaded, ids = names["tokenizer"], tokenizer.special
    assert ("TemplateProcessing" in names) is not adds_special(tokenizer)
    texts = [TEXTS[0], "It's <mask>: ☃ tested", ""]
    plain = [text.replace("<mask>", "") for text in texts]
    assert [loaded(text)["input_ids"] for text in plain] == [
        [ids.cls, *found.tolist(), ids.sep] for found in tokenizer.ids(plain)
    ]
    assert ids.mask in loaded(texts[1])["input_ids"]  # as whoever fills masks wants it
    a, b = (found.tolist() for found in tokenizer.ids(TEXTS[:2]))
    pair = loaded(TEXTS[0], TEXTS[1])
    assert pair["input_ids"] == [ids.cls, *a, ids.sep, *b, ids.sep]
    assert pair["token_type_ids"] == [0] * (len(a) + 2) + [1] * (len(b) + 1)
    padded = loaded(["The cat", TEXTS[0]], padding=True)
    assert padded["input_ids"][0][-1] == ids.pad
    assert padded["attention_mask"][0][-1] == 0


def test_the_generators_card_fills_masks(exported: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(exported)
    shown: list[Any] = []
    exec(card_code(exported / "generator/README.md"), {"print": shown.append})
    assert len(shown[0]) == 5


def test_words_within_a_sentence(item: Exportable) -> None:
    """As within the text; only where a word is the same alone, transformers may split them."""
    tokenizer = item.text_ids
    assert tokenizer is not None
    (words,) = tokenizer.ids_of_words([WORDS])
    (text,) = tokenizer.ids([" ".join(WORDS)])
    assert np.concatenate(words).tolist() == text.tolist()
    assert all(map(len, words))
    is_byte_level = tokenizer.kind == "bpe" and any(t.startswith("Ġ") for t in tokenizer.tokens)
    assert splits_words(tokenizer) is not is_byte_level


@pytest.mark.slow
def test_formats_without_it(tmp_path: Path) -> None:
    """A SavedModel takes ids alone and says so; the reference's format says what it lacks.

    In both the file lies beside the model as it was given, as their cards say.
    """
    given = given_tokenizer("unigram", tmp_path / "given")
    run, notes = write_run(tmp_path / "run", given=given), list[str]()
    saved, tf1, again = (tmp_path / name for name in ("saved", "tf1", "again"))
    export(checkpoint=run, format="saved-model", output=saved, on_progress=notes.append)
    assert list(tf.saved_model.load(str(saved)).signatures) == ["serving_default"]
    card = (saved / "README.md").read_text(encoding="utf-8")
    assert "There is no signature for text" in card
    exec(card_code(saved / "README.md").replace("FOLDER", str(saved)))
    assert any("no signature for text" in note for note in notes)
    export(checkpoint=run, format="reference", output=tf1, on_progress=notes.append)
    assert any("no vocab.txt" in note for note in notes)
    for folder in (saved, tf1):
        assert (folder / "tokenizer.json").read_bytes() == given.read_bytes()
        assert "`tokenizer.json` byte for byte" in (folder / "README.md").read_text("utf-8")
        assert json.loads((folder / "tokenizer_config.json").read_text())["mask_token"] == "<mask>"
    assert not (tf1 / "vocab.txt").exists()
    export(checkpoint=tf1, format="huggingface", output=again)
    assert (again / "discriminator/tokenizer.json").read_bytes() == given.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "template", "task", "text"),
    [
        ("bytes", False, "tagging", "text"),
        ("bpe", True, "tagging", "text"),
        ("unigram", False, "classification", "a,b"),
        ("bytes", False, "qa", "text"),
    ],
)
def test_the_card_of_a_fine_tuned_model(
    kind: str, template: bool, task: Kind, text: str, tmp_path: Path
) -> None:
    """Its code makes the rows of the training and says something, in both formats."""
    given = given_tokenizer(kind, tmp_path / "given", template=template)
    folder = write_finetuned(tmp_path / "finetuned", task, text=text, given=given)
    assert (folder / "tokenizer.json").read_bytes() == given.read_bytes()
    tokenizer, names = open_finetuned(folder).text_ids, dict[str, Any]()
    ids = tokenizer.special
    for format in ("huggingface", "saved-model"):
        output = tmp_path / format
        export(checkpoint=folder, format=format, output=output)
        code = card_code(output / "README.md").replace("FOLDER", str(output))
        exec(code, names)
    assert names.keys() >= {"outputs", {"tagging": "tags", "qa": "answer"}.get(task, "label")}
    if task == "tagging":
        (words,) = tokenizer.ids_of_words([["The", "cat", "sat"]])
        parts = names.get("parts", [part.tolist() for part in words])
        assert parts == [part.tolist() for part in words]
        assert ("parts" in names) == (kind == "bytes")
        assert len(names["tags"]) == 3
    else:
        found = names["text"]["input_ids"][0].tolist()
        assert found.count(ids.sep) == 2
        assert names["text"]["token_type_ids"][0].tolist()[-1] == 1
    saved = tmp_path / "saved-model"
    assert "There is no signature for text" in (saved / "README.md").read_text()
    assert (saved / "tokenizer.json").read_bytes() == given.read_bytes()

"""Labelled files on their way to rows and scores, with outputs that nobody had to train for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from electra_cli.errors import ConfigError, DataError
from electra_cli.finetuning.data import TaskData, read_task
from electra_cli.finetuning.decoded import decoded
from tests.export.runs import small_vocabulary
from tests.finetuning.made_data import write_files

TOKENS = small_vocabulary()


def read(folder: Path, **values: object) -> TaskData:
    """A classification with 40 rows to learn from, and 21 and 7 to score."""
    first, second = write_files(folder, "classification"), folder / "more"
    more = write_files(second, "classification", dev=7)
    files = {"train": first.train, "dev": first.dev, "dev_more": more.dev}
    config = FinetuneConfig().replaced({"task.max_length": 64, **values})
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    return read_task(config, files, WordPieceTokenizer(TOKENS, options))[1]


def test_every_split_has_its_scores(tmp_path: Path) -> None:
    """All right in the first, all wrong in the second, whose scores have its name."""
    data = read(tmp_path)
    rows = data.rows
    assert (len(rows["train"]), len(rows["dev"])) == (40, 28)
    gold = rows["dev"].columns["label_ids"]
    said = np.where(np.arange(28) < 21, gold, 1 - gold)
    outputs = {"logits": np.eye(2, dtype=np.float32)[said]}
    found = data.score(outputs)
    assert tuple(found) == data.metrics
    assert (found["accuracy"], found["more/accuracy"]) == (1.0, 0.0)
    assert (found["macro_f1"], found["more/macro_f1"]) == (1.0, 0.0)
    assert [len(part["logits"]) for _, part in data.parts(outputs)] == [21, 7]
    assert data.majority() == pytest.approx(11 / 21)


def questions(folder: Path, **splits: Mapping[str, str]) -> TaskData:
    """Asks for the only word of each context; one of the answer '' has none."""
    files = {}
    for name, answers in splits.items():
        asked = [
            {"context": "cat", "qas": [{"id": key, "question": "who", "is_impossible": not text,
             "answers": [{"text": text, "answer_start": 0}] if text else []}]}
            for key, text in answers.items()
        ]  # fmt: skip
        files[name] = folder / f"{name}.json"
        files[name].write_text(json.dumps({"data": [{"paragraphs": asked}]}))
    values = {"task.kind": "qa", "task.max_length": 16, "task.max_query_length": 8}
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    config = FinetuneConfig().replaced(values)
    return read_task(config, files, WordPieceTokenizer(TOKENS, options))[1]


@pytest.mark.parametrize(
    ("dev", "threshold", "answered"),
    [
        ({"a": "cat", "b": ""}, -3.0, 0),  # answers up to the odds of a
        ({"a": "", "b": ""}, math.nextafter(-3.0, -9.0), 0),
        ({"a": "cat", "b": "cat"}, None, 2),  # all have an answer: no threshold, nothing is empty
    ],
)
def test_the_first_split_alone_chooses_a_threshold(
    tmp_path: Path, dev: Mapping[str, str], threshold: float | None, answered: int
) -> None:
    data = questions(tmp_path, train={"t": "cat"}, dev=dev, dev_more={"c": "cat", "d": "cat",
                     "e": ""})  # fmt: skip
    logits = np.zeros((5, 16), np.float32)
    columns = [window.column for name in ("dev", "dev_more")
               for window in data.encoded[name].windows or ()]  # fmt: skip
    logits[np.arange(5), columns] = 1
    odds = np.array([-3.0, -1.0, 1.0, 2.0, 3.0], np.float32)
    outputs = {"start_logits": logits, "end_logits": logits, "answerable_logit": odds}
    found = data.score(outputs)
    assert tuple(found) == data.metrics
    assert data.kind.threshold(found) == threshold
    assert found["more/threshold"] == (math.inf if threshold is None else threshold)
    assert found["more/HasAns_f1"] == answered / 2
    assert found["more/best_f1"] == pytest.approx(1.0)  # which a threshold of its own would have


def test_a_vocabulary_that_does_not_fit(tmp_path: Path) -> None:
    """The share of [UNK] is told, and warned of where no text to pretrain on may have it."""
    rows = {"train": "語 狗 猫 a\tpos\na\tneg\n", "dev": "語 b c d\tpos\nd\tneg\n"}
    files = {name: tmp_path / f"{name}.tsv" for name in rows}
    for name, path in files.items():
        path.write_text("text\tlabel\n" + rows[name])
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    _, data = read_task(FinetuneConfig(), files, WordPieceTokenizer(TOKENS, options))
    assert [split.unknown for split in data.overview.splits] == [0.6, 0.2]
    assert [warning for warning in data.warnings if "[UNK]" in warning] == [
        f"{files['train']}: 60.0% of the tokens are [UNK]: the vocabulary is not for this text, "
        "and scores will be low"
    ]


@pytest.mark.parametrize("name", ["f1", "precision", "recall", ""])
def test_names_that_do_not_tell_scores_apart(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=r"f1\.tsv.*will not do") as caught:
        read_task(
            FinetuneConfig(),
            dict.fromkeys(("train", "dev", f"dev_{name}"), tmp_path / "f1.tsv"),
            WordPieceTokenizer(TOKENS, TokenizerOptions(lowercase=True, strip_accents=True)),
        )
    assert caught.value.hint == "rename it"


def test_files_that_differ_by_a_dash_alone(tmp_path: Path) -> None:
    files = write_files(tmp_path, "classification")
    paths = {"train": files.train, "dev": files.dev, "dev_x": files.dev, "dev__x": files.dev}
    options = TokenizerOptions(lowercase=True, strip_accents=True)
    config = FinetuneConfig().replaced({"task.max_length": 64})
    _, data = read_task(config, paths, WordPieceTokenizer(TOKENS, options))
    assert len(set(data.metrics)) == len(data.metrics)
    assert {"accuracy", "x/accuracy", "_x/accuracy"} <= set(data.metrics)


def test_rows_as_people_read_them(tmp_path: Path) -> None:
    data = read(tmp_path)
    shown = decoded(data, 100)
    assert len(shown) == 40
    assert [one["label"] for one in shown[:3]] == ["neg", "pos", "neg"]


def test_too_much_that_is_cut(tmp_path: Path) -> None:
    """The share, what is allowed, and a length at which it is not too much."""
    with pytest.raises(DataError, match=r"of 40 examples \(\d+\.\d%\) are longer than") as caught:
        read(tmp_path, **{"task.max_length": 12})
    hint = caught.value.hint
    fitting = int(hint.split()[1].rstrip(","))
    assert "--set task.most_cut=1" in hint
    assert read(tmp_path, **{"task.max_length": fitting}).encoded["train"].cut <= 4
    assert read(tmp_path, **{"task.max_length": 12, "task.most_cut": 1.0}).encoded["train"].cut > 4

"""Labelled files on their way to rows and scores, with outputs that nobody had to train for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.errors import DataError
from electra_cli.finetuning.data import TaskData, read_task
from electra_cli.finetuning.decoded import decoded
from electra_cli.finetuning.features.text_tokenizer import TextTokenizer
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
    return read_task(config, files, TextTokenizer(TOKENS, options))[1]


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


def test_rows_as_people_read_them(tmp_path: Path) -> None:
    data = read(tmp_path)
    shown = decoded(data, TOKENS, 100)
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

"""Named tasks from files as they are distributed."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import load_config
from electra_cli.errors import ConfigError, InputMissingError
from electra_cli.finetuning.examples.glue import GLUE_TASKS, files_of
from electra_cli.finetuning.examples.labels import labels_of
from electra_cli.finetuning.examples.readers import read_split

# Folder, header, a row; of GLUE's train.tsv.
MNLI = ["index", "promptID", "pairID", "genre", *("parse" + n for n in "1234"), "sentence1"]
MNLI += ["sentence2", "label1", "gold_label"]
FILES: dict[str, tuple[str, list[str], list[str]]] = {
    "cola": ("CoLA", [], ["gj04", "0", "*", 'a "b']),
    "sst2": ("SST-2", ["sentence", "label"], ['a "b', "0"]),
    "mrpc": ("MRPC", ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"],
             ["0", "1", "2", 'a "b', "c"]),
    "stsb": ("STS-B", ["index", "genre", "filename", "year", "old_index", "source1", "source2",
                       "sentence1", "sentence2", "score"],
             ["0", "g", "f", "y", "1", "s", "t", 'a "b', "c", "2.500"]),
    "qqp": ("QQP", ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
            ["1", "2", "3", 'a "b', "c", "0"]),
    "mnli": ("MNLI", MNLI, [*"01234567", 'a "b', "c", "x", "neutral"]),
    "qnli": ("QNLI", ["index", "question", "sentence", "label"],
             ["0", 'a "b', "c", "entailment"]),
    "rte": ("RTE", ["index", "sentence1", "sentence2", "label"],
            ["0", 'a "b', "c", "not_entailment"]),
    "wnli": ("WNLI", ["index", "sentence1", "sentence2", "label"], ["0", 'a "b', "c", "0"]),
}  # fmt: skip


def test_all_are_known() -> None:
    assert set(FILES) == GLUE_TASKS


@pytest.mark.parametrize("name", FILES)
def test_glue(name: str, tmp_path: Path) -> None:
    folder, header, row = FILES[name]
    rows = [header, row, row] if header else [row, row]
    content = "\n".join("\t".join(fields) for fields in rows)
    place = tmp_path / folder
    place.mkdir()
    splits = ["dev_matched", "dev_mismatched"] if name == "mnli" else ["dev"]
    for split in ["train", *splits]:
        # MRPC's begins with a byte order mark.
        (place / f"{split}.tsv").write_text(content, encoding="utf-8-sig")
    found = files_of(name, tmp_path)
    assert found == files_of(name, place)
    expected = ["dev", "dev_mismatched"] if name == "mnli" else ["dev"]
    assert list(found) == ["train", *expected]

    task = load_config(FinetuneConfig, preset=name, environment={}).config.task
    read = read_split(found["train"], task, name="train", skips_short_rows=True)
    assert len(read.examples) == 2
    texts = ('a "b', "c") if len(task.texts) == 2 else ('a "b',)
    label = {"cola": row[1:2], "mrpc": row[:1]}.get(name, row[-1:])[0]
    assert read.examples[0].texts == texts
    assert read.examples[0].label == (2.5 if name == "stsb" else label)
    assert name == "stsb" or label in labels_of(read, task)


@pytest.mark.parametrize("name", FILES)
def test_what_is_to_be_predicted(name: str, tmp_path: Path) -> None:
    """Without labels, in GLUE's test files as they are distributed and in labelled ones."""
    _, header, row = FILES[name]
    texts = ('a "b', "c") if 'a "b' in row[:-1] and "c" in row else ('a "b',)
    columns = {
        "cola": ["index", "sentence"],
        "sst2": ["index", "sentence"],
        "qqp": ["id", "question1", "question2"],
        "mrpc": ["index", *header[1:]],
        "mnli": header[:10],
    }.get(name, header[:-1])
    task = load_config(FinetuneConfig, preset=name, environment={}).config.task
    unlabelled = [str(n) for n in range(len(columns) - len(texts))] + list(texts)
    labelled = [header, row] if header else [row]
    for number, lines in enumerate([[columns, unlabelled], labelled]):
        for end in ("\n", "\r\n"):
            path = tmp_path / f"test{number}.tsv"
            path.write_text("".join("\t".join(line) + end for line in lines), newline="")
            split = read_split(path, task, name="predict", labelled=False, skips_short_rows=True)
            assert [example.texts for example in split.examples] == [texts]
            assert split.examples[0].label is None


def test_squad_and_chunking(tmp_path: Path) -> None:
    for name in ("train-v1.1.json", "dev-v1.1.json", "train-v2.0.json", "dev-v2.0.json"):
        (tmp_path / name).write_text(json.dumps({"data": []}))
    assert files_of("squad2", tmp_path)["dev"] == tmp_path / "dev-v2.0.json"
    assert files_of("squad", tmp_path)["train"] == tmp_path / "train-v1.1.json"
    for name in ("train.txt.gz", "test.txt.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b"Confidence NN B-NP\nin IN B-PP\n"))
    found = files_of("chunking", tmp_path)
    assert found["dev"] == tmp_path / "test.txt.gz"
    task = load_config(FinetuneConfig, preset="chunking", environment={}).config.task
    split = read_split(found["train"], task, name="train")
    assert split.examples[0].tags == ("S-NP", "S-PP")
    assert split.found[-1] == ("scheme", "BIO, written as BIOES")


def test_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="does not exist") as error:
        files_of("rte", tmp_path / "there")
    assert "train.tsv" in error.value.hint
    (tmp_path / "train.tsv").touch()
    with pytest.raises(InputMissingError, match=r"has no dev\.tsv, which mrpc needs") as error:
        files_of("mrpc", tmp_path)
    assert "msr_paraphrase_train.txt" in error.value.hint
    with pytest.raises(ConfigError) as unknown:
        files_of("mnly", tmp_path)
    assert "mnli" in unknown.value.hint

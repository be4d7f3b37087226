"""Files that are not there, or are something else."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from electra_cli.config.finetune import TaskConfig
from electra_cli.errors import ConfigError, DataError, InputMissingError
from electra_cli.finetuning.examples.readers import read_split


def test_missing_file_and_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text("x")
    with pytest.raises(InputMissingError, match=r"trian\.csv does not exist") as error:
        read_split(tmp_path / "trian.csv", TaskConfig(), name="train")
    assert error.value.hint == f"did you mean {tmp_path / 'train.tsv'}?"
    with pytest.raises(InputMissingError) as error:
        read_split(tmp_path / "there" / "a.csv", TaskConfig(), name="train")
    assert error.value.hint == "check the path"


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match="is a folder where a file is needed"):
        read_split(tmp_path, TaskConfig(), name="train")


def test_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"text,label\n" + b"x,1\n" * 1000)[:-12])
    with pytest.raises(DataError, match="damaged or truncated gzip"):
        read_split(path, TaskConfig(), name="train")


@pytest.mark.parametrize(
    ("kind", "format"),
    [("classification", "squad"), ("tagging", "table"), ("qa", "conllu"), ("regression", "conll")],
)
def test_format_of_another_kind(kind: str, format: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"task.format is {format}, and {kind} is read from"):
        read_split(tmp_path / "a", TaskConfig(kind=kind, format=format), name="train")

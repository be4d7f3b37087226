"""Which files a named task is made of, in folders as they are distributed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from electra_cli.config.nearest import did_you_mean
from electra_cli.corpus.reading.naming import COMPRESSED_ENDINGS
from electra_cli.errors import ConfigError, InputMissingError


@dataclass(frozen=True)
class _Files:
    """The files of a task.

    Attributes:
      folders: What the folder is called by GLUE and by the reference.
      names: By the split; several if they are called differently.
    """

    folders: tuple[str, ...]
    names: Mapping[str, tuple[str, ...]]


_TSV = {"train": ("train.tsv",), "dev": ("dev.tsv",)}


def _squad(version: str) -> dict[str, tuple[str, ...]]:
    return {split: (f"{split}-v{version}.json", f"{split}.json") for split in ("train", "dev")}


_TASKS = {
    "cola": _Files(("CoLA", "cola"), _TSV),
    "sst2": _Files(("SST-2", "sst", "sst2"), _TSV),
    "mrpc": _Files(("MRPC", "mrpc"), _TSV),
    "stsb": _Files(("STS-B", "sts", "stsb"), _TSV),
    "qqp": _Files(("QQP", "qqp"), _TSV),
    "mnli": _Files(
        ("MNLI", "mnli"),
        {
            "train": ("train.tsv",),
            "dev": ("dev_matched.tsv",),
            "dev_mismatched": ("dev_mismatched.tsv",),
        },
    ),
    "qnli": _Files(("QNLI", "qnli"), _TSV),
    "rte": _Files(("RTE", "rte"), _TSV),
    "wnli": _Files(("WNLI", "wnli"), _TSV),
    "squad": _Files(("squadv1",), _squad("1.1")),
    "squad2": _Files(("squad", "squadv2"), _squad("2.0")),
    # CoNLL-2000 has no data but for training and testing; scores are given on the latter.
    "chunking": _Files(
        ("chunk", "conll2000", "chunking"),
        {"train": ("train.txt",), "dev": ("dev.txt", "test.txt")},
    ),
}
GLUE_TASKS = frozenset(
    name for name, files in _TASKS.items() if "train.tsv" in files.names["train"]
)


def files_of(task_name: str, folder: Path) -> dict[str, Path]:
    """The files of a named task.

    Args:
      task_name: Of the task, such as mnli.
      folder: With the files, plain or compressed, or with the task's folder in it.

    Returns:
      By the split: train, dev, and for mnli dev_mismatched.

    Raises:
      ConfigError: The task's files are not known.
      InputMissingError: A file is not there.
    """
    files = _TASKS.get(task_name)
    if files is None:
        raise ConfigError(
            f"task {task_name} has no folder of files that are known",
            hint=f"--train FILE --dev FILE; or of known ones {did_you_mean(task_name, _TASKS)}",
        )
    if not folder.is_dir():
        raise InputMissingError(
            f"{folder} is no folder" if folder.exists() else f"{folder} does not exist",
            hint=f"give the folder that has {files.names['train'][0]}, or --train FILE --dev FILE",
        )
    for place in (folder, *(folder / name for name in files.folders)):
        if _there(place, files.names["train"]):
            break
    else:
        place = folder
    found = {}
    for split, names in files.names.items():
        path = _there(place, names)
        if path is None:
            raise InputMissingError(
                f"{place} has no {' or '.join(names)}, which {task_name} needs for {split}",
                hint=_HINTS.get(
                    task_name, f"`ls {place}` shows what there is; or --train FILE --dev FILE"
                ),
            )
        found[split] = path
    return found


_HINTS = {
    "mrpc": "GLUE's download script makes train.tsv and dev.tsv of msr_paraphrase_train.txt and "
    "dev_ids.tsv; or --train FILE --dev FILE",
}


def _there(folder: Path, names: tuple[str, ...]) -> Path | None:
    """The first file of some names, with or without an ending of compression."""
    paths = (folder / (name + ending) for name in names for ending in ("", *COMPRESSED_ENDINGS))
    return next((path for path in paths if path.is_file()), None)

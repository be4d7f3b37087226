"""Reads a file of labelled data, whatever its format."""

from __future__ import annotations

from pathlib import Path

from electra_cli.config.finetune import TaskConfig, TaskFormat
from electra_cli.errors import ConfigError, DataError
from electra_cli.finetuning.examples.content import read_bytes
from electra_cli.finetuning.examples.example import Split
from electra_cli.finetuning.examples.sentences import read_sentences
from electra_cli.finetuning.examples.squad import read_squad
from electra_cli.finetuning.examples.tables.rows import read_texts

_FORMATS: dict[str, tuple[TaskFormat, ...]] = {
    "classification": ("table",),
    "regression": ("table",),
    "tagging": ("conll", "conllu"),
    "qa": ("squad",),
}


def read_split(
    path: Path,
    task: TaskConfig,
    *,
    name: str,
    labelled: bool = True,
    skips_short_rows: bool = False,
) -> Split:
    """Reads the examples of a file.

    Args:
      path: Plain or compressed.
      task: The kind, the columns and the format.
      name: train, dev, dev_mismatched or predict.
      labelled: Whether labels are read; they may be absent if not.
      skips_short_rows: Rows of CSV or TSV that lack a column are passed over and noted, as the
        reference does with GLUE's files; else they are errors.

    Raises:
      ConfigError: Files of the format hold no data of the kind.
      InputMissingError: There is no such file.
      DataError: It cannot be read, or is empty.
    """
    formats = _FORMATS[task.kind]
    if task.format not in ("auto", *formats):
        raise ConfigError(
            f"task.format is {task.format}, and {task.kind} is read from {' or '.join(formats)}",
            hint="--set task.format=auto",
        )
    content = read_bytes(path)
    if task.kind == "qa":
        split = read_squad(content, path, name=name, labelled=labelled)
    elif task.kind == "tagging":
        universal = None if task.format == "auto" else task.format == "conllu"
        split = read_sentences(
            content, path, task, name=name, labelled=labelled, universal=universal
        )
    else:
        split = read_texts(
            content,
            path,
            task,
            name=name,
            labelled=labelled,
            skips_short_rows=skips_short_rows,
        )
    if not split.examples:
        passed_over = f" ({'; '.join(split.notes)})" if split.notes else ""
        raise DataError(
            f"{path} has no examples for {name}{passed_over}",
            hint=f"look at it: `head {path}`; it may have been cut off, or be the wrong file",
        )
    return split

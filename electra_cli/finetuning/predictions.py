"""Predictions in a file, in the order of the examples."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from electra_cli.config.finetune import Kind
from electra_cli.errors import ConfigError, OutputError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.finetuning.kinds.base import Predictions
from electra_cli.runs.run_folder import RunFolder

_USUAL: Mapping[Kind, str] = {
    "classification": ".tsv",
    "regression": ".tsv",
    "tagging": ".jsonl",
    "qa": ".json",
}


def path_for(run: RunFolder, file: Path, kind: Kind) -> Path:
    """Where the predictions of a run for a file go unless another place is named."""
    name = re.sub(r"(\.(csv|tsv|txt|jsonl?|parquet|conllu?))?(\.(gz|zst|xz|bz2))?$", "", file.name)
    return (
        run.path.parents[1]
        / f"predictions-{name}-{run.path.parent.name}-{run.path.name}{_USUAL[kind]}"
    )


def check_format(path: Path, kind: Kind) -> None:
    """Refuses a name that says no format, or one that the kind has not.

    Raises:
      ConfigError: It does.
      OutputError: It is that of a folder, or in something that is none.
    """
    if path.is_dir():
        raise OutputError(
            f"{path} is a folder", hint=f"--predictions {path / 'predictions'}{_USUAL[kind]}"
        )
    if files := [parent for parent in path.parents if parent.is_file()]:
        raise OutputError(f"{files[0]} is no folder", hint="--predictions FILE in a folder")
    formats = {".jsonl", _USUAL[kind]}
    if path.suffix not in formats:
        raise ConfigError(
            f"--predictions {path}: its name must end in {' or '.join(sorted(formats))}",
            hint=f"--predictions {path.with_suffix(_USUAL[kind])}",
        )


def write_predictions(path: Path, predictions: Predictions) -> None:
    """Writes TSV, JSON lines, or for questions SQuAD's object of answers by id.

    Raises:
      OutputError: Another file is there.
      OSError: It cannot be written; nothing is left behind.
    """
    text = {".tsv": _tsv, ".jsonl": _json_lines, ".json": _answers}[path.suffix](
        predictions.records
    )
    if path.exists() and path.read_text(encoding="utf-8", errors="replace") != text:
        raise OutputError(
            f"{path} is there already, with other predictions",
            hint="--predictions FILE names another place; nothing is overwritten",
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, text)


def _tsv(records: Sequence[Mapping[str, Any]]) -> str:
    lines = io.StringIO()
    writer = csv.writer(lines, delimiter="\t", lineterminator="\n")
    writer.writerow(["index", *records[0]] if records else ["index", "prediction"])
    writer.writerows([index, *record.values()] for index, record in enumerate(records))
    return lines.getvalue()


def _json_lines(records: Sequence[Mapping[str, Any]]) -> str:
    lines = (
        json.dumps({"index": index, **record}, ensure_ascii=False)
        for index, record in enumerate(records)
    )
    return "".join(f"{line}\n" for line in lines)


def _answers(records: Sequence[Mapping[str, Any]]) -> str:
    answers = {record["id"]: record["prediction"] for record in records}
    return json.dumps(answers, ensure_ascii=False, indent=1) + "\n"

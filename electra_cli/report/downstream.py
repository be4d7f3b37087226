"""Scores of fine-tuned models that stand on the runs of a report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from electra_cli.config.values import first_fault
from electra_cli.errors import DataError, ElectraError, InputMissingError
from electra_cli.files.layout import FINETUNE_FILE, RESULT_FILE
from electra_cli.files.record import read_json
from electra_cli.files.redaction import redacted
from electra_cli.report.record import RunRecord
from electra_cli.runs.commit import read_commit
from electra_cli.runs.named import find_run
from electra_cli.runs.run_folder import RunFolder
from electra_cli.sources.finetuned import Inputs, read_inputs


@dataclass(frozen=True)
class DownstreamColumn:
    """Models that differ in their seed alone.

    Attributes:
      label: What people call them, such as "step 10,000", "random weights".
      role: model, probe or random.
      steps: Updates of the pretraining; None where that is not known.
      mean: Of the score over the seeds; None for no number.
      standard_deviation: The same.
      seeds: How many.
      failed: How many of them learned nothing.
      flops: FLOPs of the pretraining; None where that is not known.
    """

    label: str
    role: str
    steps: int | None
    mean: float | None
    standard_deviation: float | None
    seeds: int
    failed: int
    flops: float | None = None


@dataclass(frozen=True)
class Downstream:
    """A fine-tuning, FINETUNED/result.json.

    Attributes:
      place: Its folder, as it may be shown.
      run: The name of the run in this report that it stands on; None for another.
      task: What was learned.
      metric: What is scored.
      majority: What it scores to say always the same; None for no number.
      columns: Models, in the order of its table.
      verdict: What its table shows, a sentence each.
    """

    place: str
    run: str | None
    task: str
    metric: str
    majority: float | None
    columns: Sequence[DownstreamColumn]
    verdict: Sequence[str]


@dataclass(frozen=True)
class _Weights:
    """What weights of a run are known by: their places, and their hashes."""

    name: str
    folder: Path
    sha256s: frozenset[str]

    @classmethod
    def of(cls, record: RunRecord) -> _Weights:
        found = {str((record.result or {}).get("state_sha256", ""))}
        for checkpoint in RunFolder(record.folder).all_checkpoints():
            with suppress(ElectraError, ValueError, OSError):
                found.add(read_commit(checkpoint.path).state_sha256)
        return cls(record.name, record.folder.resolve(), frozenset(sha for sha in found if sha))

    def has(self, inputs: Inputs) -> bool:
        """Whether a fine-tuning began with one of them."""
        source = Path(inputs.source).resolve()
        is_inside = source == self.folder or self.folder in source.parents
        return is_inside or not self.sha256s.isdisjoint(inputs.source_sha256.values())


def read_downstream(
    given: Sequence[Path], records: Sequence[RunRecord]
) -> tuple[list[Downstream], list[str]]:
    """Reads the fine-tunings that were named, and those that stand on a run and lie near it.

    Args:
      given: Folders of `electra finetune`, or runs in them.
      records: The runs. What lies in the folder of one, or beside it, is looked at.

    Returns:
      The fine-tunings, those that were named first; and what of the others cannot be read.

    Raises:
      DataError: One that was named is damaged, or not finished.
      InputMissingError: A file of it is missing.
    """
    weights = [_Weights.of(record) for record in records]
    named = {folder.resolve(): folder for folder in map(_folder_of, given)}
    found, remarks = [_read(folder, weights) for folder in named.values()], []
    for folder in _near(records):
        if folder.resolve() in named:
            continue
        try:
            if any(run.has(read_inputs(folder)) for run in weights):
                found.append(_read(folder, weights))
        except ElectraError as error:
            remarks.append(redacted(error.message))
    return found, remarks


def run_of(finetuned: Path) -> RunFolder | None:
    """The run that a fine-tuning stands on; None if its source is none, or is not there.

    Raises:
      DataError, InputMissingError: It does not say what it stands on.
    """
    source = read_inputs(_folder_of(finetuned)).source
    with suppress(DataError, InputMissingError):
        return find_run(Path(source))
    return None


def _folder_of(path: Path) -> Path:
    """The folder of a fine-tuning, also by the name of a run in it."""
    return path if (path / FINETUNE_FILE).is_file() else path.parent.parent


def _near(records: Sequence[RunRecord]) -> Iterator[Path]:
    """Folders of fine-tunings in the folders of runs and beside them, each once."""
    places = dict.fromkeys(
        place for record in records for place in (record.folder, record.folder.parent)
    )
    for place in places:
        yield from sorted(file.parent for file in place.glob(f"*/{FINETUNE_FILE}"))


def _read(folder: Path, weights: Sequence[_Weights]) -> Downstream:
    file = folder / RESULT_FILE
    if not file.is_file():
        raise DataError(
            f"{folder} is not finished: there is no {RESULT_FILE}",
            hint="run the same `electra finetune` again",
        )
    inputs = read_inputs(folder)
    runs = [run.name for run in weights if run.has(inputs)]
    hint = "repeat the `electra finetune` that wrote it"
    content = read_json(file, hint=hint)
    try:
        values = {
            "place": redacted(str(folder)),
            "run": runs[0] if runs else None,
            **{name: content[name] for name in ("task", "metric", "majority", "verdict")},
            "columns": [_column(column) for column in content["columns"]],
        }
        return TypeAdapter(Downstream).validate_python(redacted(values))
    except ValidationError as error:
        raise DataError(f"{file} is damaged: {first_fault(error)}", hint=hint) from error
    except (KeyError, TypeError) as error:
        raise DataError(f"{file} is damaged: {error!r}", hint=hint) from error


def _column(record: Mapping[str, Any]) -> dict[str, Any]:
    names = ("label", "role", "mean", "standard_deviation")
    return {
        **{name: record[name] for name in names},
        "steps": record["pretraining_steps"],
        "flops": record.get("pretraining_flops"),  # which an older electra did not write
        "seeds": len(record["runs"]),
        "failed": len(record["failed_seeds"]),
    }

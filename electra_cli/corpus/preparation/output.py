"""The output folder: made, recognised on a second run, and never written over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from electra_cli.corpus.preparation.plan import Cuts, Plan, cuts_of
from electra_cli.corpus.preparation.plan_changes import (
    OTHER_FOLDER,
    check_same_plan,
    is_same_but_for_vocabulary,
)
from electra_cli.corpus.reading.faults import SkippableError
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_FILE
from electra_cli.errors import DataError, OutputError, listed
from electra_cli.files.atomic import (
    TEMPORARY_SUFFIX,
    atomic_write_text,
    locked_folder,
    remove_temporaries,
)
from electra_cli.files.holder import locked_by_name
from electra_cli.files.layout import (
    DUPLICATES_FOLDER,
    LOCK_FILE,
    MANIFEST_FILE,
    PLAN_FILE,
    RECORDS_FOLDER,
    STANDARD_INPUT_FILE,
    VOCABULARY_FILE,
    WORDS_FOLDER,
)
from electra_cli.files.redaction import redacted

# What a folder may hold; no slice is begun without a vocabulary.
_RECORDS = f"{RECORDS_FOLDER}/*.json"
_SLICES = (_RECORDS, VOCABULARY_FILE, TOKENIZER_FILE)
_DUPLICATES = f"{DUPLICATES_FOLDER}/*.json"


@contextmanager
def opened_output(output: Path, *, shared: bool = False) -> Iterator[None]:
    """Makes the output folder and locks it; if nothing is begun in it, it goes again.

    Args:
      output: The folder.
      shared: Others may be writing to it under the same plan.

    Raises:
      OutputError: It cannot be made, or is a file.
      TryAgainError: Another process is writing to it.
    """
    made = [path for path in (output, *output.parents) if not path.exists()]
    try:
        output.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"output {output} is a file", hint=OTHER_FOLDER) from error
    except OSError as error:
        raise OutputError(
            f"cannot make output folder {output}: {error.strerror}", hint=_WRITABLE_FOLDER
        ) from error
    holder = output / LOCK_FILE
    with locked_folder(output, shared=True) if shared else locked_by_name(output, holder):
        try:
            yield
        finally:
            over = (output / MANIFEST_FILE).exists() or not (output / PLAN_FILE).exists()
            with suppress(OSError):  # it cannot be written, or a folder is not empty
                holder.unlink(missing_ok=True)  # also of one who was killed
                if over:
                    (output / STANDARD_INPUT_FILE).unlink(missing_ok=True)
                if over and not shared:  # a signal can come before whoever opens a file knows it
                    remove_temporaries(output)
                for folder in made:
                    folder.rmdir()


def check_output_folder(output: Path) -> None:
    """Refuses a folder that nothing can be prepared in.

    Raises:
      OutputError: It holds something else, or cannot be written.
    """
    _check_holds_nothing_else(output)
    # On a read-only mount this is false for root too, whom mode bits do not stop.
    if not os.access(output, os.W_OK | os.X_OK):
        raise OutputError(f"cannot write to output folder {output}", hint=_WRITABLE_FOLDER)


def claim_output_folder(
    output: Path,
    plan: Plan,
    *,
    shared: bool = False,
    may_replace: bool = True,
    on_note: Callable[[str], None] = lambda text: None,
) -> None:
    """Writes the plan into an empty folder, or finds the same plan in it.

    Another plan that differs in the vocabulary to train alone gives way while no slice is prepared:
    else a command that cures an error of the training would be refused. Duplicates found stay.

    Args:
      output: The folder.
      plan: What is going to be prepared.
      shared: Others may be writing to the folder under the same plan.
      may_replace: Whether another plan gives way at all.
      on_note: Receives that one has.

    Raises:
      OutputError: The folder holds something else or another plan, or cannot be written.
      DataError: An input was replaced since the plan was made.
    """
    path = output / PLAN_FILE
    values = redacted(plan.to_json())
    _check_holds_nothing_else(output)
    is_planned = path.is_file()
    if is_planned and may_replace and not shared and _gives_way(output, values):
        shutil.rmtree(output / WORDS_FOLDER, ignore_errors=True)
        is_planned = False
        on_note(f"{output} was begun with another vocabulary, and words are counted anew")
    elif is_planned:
        check_same_plan(output, read_plan(output), values)
    if (output / MANIFEST_FILE).is_file():
        return  # finished, and nothing is going to be written
    check_output_folder(output)
    if not shared:
        remove_leftovers(output)
    if not is_planned:
        atomic_write_text(path, json.dumps(values, indent=1) + "\n")
    (output / RECORDS_FOLDER).mkdir(exist_ok=True)


def remove_leftovers(output: Path) -> None:
    """Removes what killed workers left; call it when no other is at work."""
    for name in ("", RECORDS_FOLDER, DUPLICATES_FOLDER, WORDS_FOLDER):
        remove_temporaries(output / name)


def _check_holds_nothing_else(output: Path) -> None:
    # Looked at before the plan, which another task may be writing just now.
    others = sorted(
        entry.name
        for entry in output.iterdir()
        if not entry.name.endswith(TEMPORARY_SUFFIX)
        and entry.name not in (LOCK_FILE, STANDARD_INPUT_FILE)
    )
    if others and not (output / PLAN_FILE).is_file():
        raise OutputError(
            f"output folder {output} holds something else: {listed(others)}", hint=OTHER_FOLDER
        )


def planned_cuts(output: Path, slice_bytes: int) -> Cuts:
    """Where the plan in a folder cuts files.

    Args:
      output: The folder.
      slice_bytes: Of a slice.

    Returns:
      Nothing if there is no plan, none that can be read, or one of slices of another size.
    """
    try:
        plan = json.loads((output / PLAN_FILE).read_text(encoding="utf-8"))
        return cuts_of(plan) if plan["options"]["slice_bytes"] == slice_bytes else {}
    except (OSError, ValueError, TypeError, KeyError):
        return {}


def give_up(output: Path, error: DataError, *, shared: bool) -> None:
    """Takes a claim back if nothing is done under it, else says in the error who goes on with it.

    Args:
      output: The folder, claimed.
      error: Why the preparation ends.
      shared: Others may be writing to the folder under the same plan.
    """
    is_done = _holds(output, _RECORDS, _DUPLICATES, f"{WORDS_FOLDER}/*.bin")
    if not shared and not is_done:
        discard_claim(output)
    elif isinstance(error, SkippableError):
        kept = (
            f"what is done stays in {output}: --on-error skip goes on with it, and input that is "
            f"corrected needs another --output or rm -r {output}"
        )
        error.hint = f"{error.hint}; {kept}" if error.hint else kept


def discard_claim(output: Path) -> None:
    """Takes a claim back with all that was written under it, so that corrected input can follow."""
    written = [PLAN_FILE, VOCABULARY_FILE, TOKENIZER_FILE, "train-*.npy", "validation-*.npy"]
    for pattern in [_RECORDS, *written]:
        for path in output.glob(pattern):
            path.unlink()
    (output / RECORDS_FOLDER).rmdir()
    for name in (DUPLICATES_FOLDER, WORDS_FOLDER):
        shutil.rmtree(output / name, ignore_errors=True)


def read_plan(output: Path) -> dict[str, Any]:
    """The plan in a folder, as it is stored.

    Raises:
      OutputError: It cannot be read.
    """
    path = output / PLAN_FILE
    try:
        plan: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return plan | {"options": dict(plan["options"])}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise OutputError(f"{path} is no plan that can be read", hint=OTHER_FOLDER) from error


def claim_vocabulary(output: Path, file: str, sha256: str) -> None:
    """Adds the hash of a vocabulary to the plan, or finds the same one in it.

    Args:
      output: The folder, claimed.
      file: What it is called there.
      sha256: Of the vocabulary that is there, was brought, or was trained and is not written yet.

    Raises:
      DataError: The preparation began with another one.
    """
    plan = read_plan(output)
    planned = plan["options"]["vocab"] or plan.get("vocab_sha256")
    if planned is None:
        atomic_write_text(
            output / PLAN_FILE, json.dumps(plan | {"vocab_sha256": sha256}, indent=1) + "\n"
        )
    elif planned != sha256:
        path = output / file
        raise DataError(
            f"{path} was changed: it is not the vocabulary that this preparation began with",
            hint=f"delete {path} and run the same command again: the same versions of electra and "
            "tokenizers make it again as it was",
        )


_WRITABLE_FOLDER = "choose a folder you can write to with --output"


def _holds(output: Path, *patterns: str) -> bool:
    return any(any(output.glob(pattern)) for pattern in patterns)


def _gives_way(output: Path, new: Mapping[str, Any]) -> bool:
    """Whether another plan can use all that is there, but for counts of words."""
    old = read_plan(output)
    is_other = old.get("fingerprint") != new["fingerprint"]
    return is_other and not _holds(output, *_SLICES) and is_same_but_for_vocabulary(old, new)

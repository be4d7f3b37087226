"""From the path that a command is given to the model that is meant."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from electra_cli.errors import ConfigError, DataError
from electra_cli.files.layout import FINETUNE_FILE, is_prefix
from electra_cli.runs.named import find_checkpoints, own_checkpoints
from electra_cli.runs.run_folder import RunFolder
from electra_cli.sources.exportable import Exportable, open_own, open_task
from electra_cli.sources.finetuned import is_finetuned, open_finetuned
from electra_cli.sources.foreign import open_foreign


def open_source(
    path: Path,
    *,
    reference_config: Path | None = None,
    vocab: Path | None = None,
    lowercase: bool | None = None,
    scratch: Path,
    needs_head: bool = True,
    takes_finetuned: bool = False,
    on_progress: Callable[[str], None] = lambda stage: None,
) -> Exportable:
    """Opens a model, still without its weights.

    Args:
      path: A run folder (its newest checkpoint is meant) or a checkpoint of one; or weights of
        another project, as `interop.source.find_source` understands them.
      reference_config: Sizes of a checkpoint of the reference; see `open_foreign`.
      vocab: The vocabulary of weights of another project; see `open_foreign`.
      lowercase: Whether their tokenizer lower-cases; see `open_foreign`.
      scratch: A folder for what is made on the way, as long as the model is used.
      needs_head: See `open_foreign`.
      takes_finetuned: Whether it may be what `open_finetuned` understands.
      on_progress: Receives what was inferred.

    Raises:
      ConfigError: Options that a run of ours has no use for.
      InputMissingError: There is no such checkpoint.
      DataError: It is no run folder, or something in it is damaged.
    """
    is_task = takes_finetuned and is_finetuned(path)
    if is_finetuned(path) and not is_task:
        raise DataError(
            f"{path} is a model that `electra finetune` wrote",
            hint="name the run, the checkpoint or the folder that it was made from",
        )
    if takes_finetuned and not is_task:
        _refuse_parts_of_finetuned(path)
    if not is_task and not is_ours(path):
        return open_foreign(
            path,
            reference_config=reference_config,
            vocab=vocab,
            lowercase=lowercase,
            scratch=scratch,
            needs_head=needs_head,
            on_progress=on_progress,
        )
    if (reference_config, vocab, lowercase) != (None, None, None):
        raise ConfigError(
            f"{path} is a run of electra, which knows its sizes and its tokenizer",
            hint="leave out --reference-config, --vocab and --lowercase",
        )
    return open_task(open_finetuned(path)) if is_task else open_own(find_checkpoints(path)[-1])


def _refuse_parts_of_finetuned(path: Path) -> None:
    for folder in path.absolute().parents:
        if (folder / FINETUNE_FILE).is_file():
            raise DataError(
                f"{path} is a part of what `electra finetune` wrote to {folder}",
                hint=f"name {folder} for its best run, or {folder}/COLUMN/seed-N",
            )


def is_ours(path: Path) -> bool:
    """True for a run of ours, and for what is not there, which `find_checkpoints` reports."""
    there = path.exists() or is_prefix(path)
    return not there or RunFolder(path).is_run or bool(own_checkpoints(path))

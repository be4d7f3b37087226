"""A folder that `electra finetune` wrote, and the model of one of its runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import read_config
from electra_cli.config.schema import Config
from electra_cli.config.values import first_fault
from electra_cli.corpus.subword.open import TextIds, content_sha256, open_tokenizer
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_FILE
from electra_cli.errors import DataError, InputMissingError
from electra_cli.files.layout import (
    FINETUNE_FILE,
    INPUTS_FILE,
    MODEL_FILE,
    RESULT_FILE,
    VOCABULARY_FILE,
)
from electra_cli.files.record import Record, read_json
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.heads.sizes import HeadSizes
from electra_cli.runs.commit import fault_of
from electra_cli.runs.run_folder import Checkpoint, RunFolder

if TYPE_CHECKING:
    from electra_cli.modeling.task_model import TaskModel

_FORMAT_VERSION = 1


class GivenFile(Record):
    """A file of labelled data, as it was."""

    path: str
    bytes: int
    sha256: str


class Inputs(Record):
    """What a fine-tuning was given, FINETUNED/inputs.json.

    Attributes:
      source: What was fine-tuned, as it was named.
      source_sha256: What tells its weights from others, by the column.
      files: The labelled files by the name of their split.
      labels: Of the task, in the order of their numbers; of a regression the least and the
        greatest number.
      tokenizer: How text is normalised before word pieces are looked for; None of another kind of
        tokenizer, whose file says it.
      vocab_sha256: Of the vocabulary.
      special_ids: Ids of the special tokens.
    """

    format_version: int = _FORMAT_VERSION
    source: str
    source_sha256: dict[str, str]
    files: dict[str, GivenFile]
    labels: tuple[str, ...]
    tokenizer: TokenizerOptions | None
    vocab_sha256: str
    special_ids: SpecialIds


@dataclass(frozen=True)
class Finetuned:
    """One run of a fine-tuning, whose model is used.

    Attributes:
      folder: What `electra finetune` wrote.
      run: The run in it: that of the best seed unless one was named.
      checkpoint: Its last checkpoint.
      config: Task and recipe.
      sizes: Sizes of the encoder.
      inputs: What was given.
      vocab: The vocabulary's file.
      result: What the run's result.json says: column, seed, metrics, threshold.
    """

    folder: Path
    run: RunFolder
    checkpoint: Checkpoint
    config: FinetuneConfig
    sizes: Config
    inputs: Inputs
    vocab: Path
    result: Mapping[str, Any]

    @cached_property
    def text_ids(self) -> TextIds:
        """What makes ids of texts."""
        return open_tokenizer(
            self.vocab,
            self.inputs.tokenizer,
            special=self.inputs.special_ids,
            rows=self.sizes.model.vocab_size,
        )

    @property
    def head(self) -> HeadSizes:
        """Sizes of the head."""
        return HeadSizes.of(self.config.task, self.inputs.labels)

    def load_model(self) -> TaskModel:
        """Makes the model in float32 with the checkpoint's weights.

        Raises:
          DataError: They cannot be read.
        """
        import tensorflow as tf

        from electra_cli.interop.restore import restore
        from electra_cli.modeling.task_model import TaskModel

        model = TaskModel(Architecture.of(self.sizes), self.head, seed=0)
        restore(tf.train.Checkpoint(model=model), self.checkpoint.prefix, hint=_AGAIN)
        return model


def is_finetuned(path: Path) -> bool:
    """Whether a path is a folder that `electra finetune` wrote, or a run in one."""
    return folder_of(path) is not None


def folder_of(path: Path) -> Path | None:
    """The folder that `electra finetune` wrote which a path is, or in which it is a run."""
    folders = (path, path.parent.parent)
    return next((folder for folder in folders if (folder / FINETUNE_FILE).is_file()), None)


def open_finetuned(path: Path) -> Finetuned:
    """Opens the best run of a fine-tuning, or the one that is named.

    Args:
      path: FINETUNED, or FINETUNED/COLUMN/seed-N.

    Raises:
      DataError: It is not finished, or something in it is damaged.
      InputMissingError: A file is not there.
    """
    is_whole = (path / FINETUNE_FILE).is_file()
    folder = path if is_whole else path.parent.parent
    run = RunFolder(_best_run(folder) if is_whole else path)
    result = _read_result(run.result)
    checkpoints = run.all_checkpoints()
    if not checkpoints:
        raise DataError(
            f"{run.path} has no weights: those of runs that are only compared are not kept",
            hint=f"name {folder} for the best run, which has them"
            if not is_whole
            else f"delete {run.result} yourself, and the same `electra finetune` trains it anew",
        )
    if (fault := fault_of(checkpoints[-1].path, checkpoints[-1].step)) is not None:
        raise DataError(f"checkpoint {checkpoints[-1].path} is damaged: {fault}", hint=_AGAIN)
    inputs = read_inputs(folder)
    model = Finetuned(
        folder=folder,
        run=run,
        checkpoint=checkpoints[-1],
        config=read_config(folder / FINETUNE_FILE, FinetuneConfig),
        sizes=read_config(folder / MODEL_FILE),
        inputs=inputs,
        vocab=folder / (VOCABULARY_FILE if inputs.tokenizer else TOKENIZER_FILE),
        result=result,
    )
    if content_sha256(model.text_ids) != inputs.vocab_sha256:
        raise DataError(f"{model.vocab} is not the vocabulary that was used", hint=_AGAIN)
    return model


def read_inputs(folder: Path) -> Inputs:
    """Reads FINETUNED/inputs.json.

    Raises:
      DataError: It is damaged.
      InputMissingError: It is not there.
    """
    path = folder / INPUTS_FILE
    try:
        return Inputs.model_validate(read_json(path, hint=_AGAIN))
    except ValidationError as error:
        raise DataError(f"{path} is damaged: {first_fault(error)}", hint=_AGAIN) from error


def _best_run(folder: Path) -> Path:
    try:
        best = _read_result(folder / RESULT_FILE)["best"]
        return folder / best["column"] / f"seed-{best['seed']}"
    except InputMissingError:
        raise DataError(
            f"{folder} is not finished: there is no {RESULT_FILE}",
            hint="run the same `electra finetune` again, or name a run that is finished, "
            f"{folder}/COLUMN/seed-N",
        ) from None
    except (KeyError, TypeError) as error:
        raise DataError(f"{folder / RESULT_FILE} names no best run", hint=_AGAIN) from error


def _read_result(path: Path) -> dict[str, Any]:
    return read_json(path, hint=_AGAIN)


_AGAIN = "run the same `electra finetune` again"

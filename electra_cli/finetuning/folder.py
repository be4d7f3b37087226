"""The folder of a fine-tuning: what it begins with, what may differ later, which weights stay.

files/layout.py says what lies where.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import diff_configs, dump_config, read_config
from electra_cli.config.schema import Config
from electra_cli.corpus.subword.open import TextIds
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_FILE
from electra_cli.errors import ConfigError, DataError, OutputError
from electra_cli.files import layout
from electra_cli.files.atomic import atomic_write_bytes, atomic_write_text
from electra_cli.files.redaction import redacted
from electra_cli.modeling.architecture import Architecture, sizes_of
from electra_cli.runs.lock import check_writable, locked_writer
from electra_cli.runs.run_folder import RunFolder
from electra_cli.sources.finetuned import Inputs, read_inputs

# None of it decides what is learned; more seeds are more runs.
_MAY_CHANGE = frozenset(
    {
        "train.seeds",
        "train.checkpoint_every",
        "train.log_every",
        "runtime.device",
        "runtime.share_device",
        "runtime.xla",
        "runtime.tf32",
        "runtime.verify_data",
        "runtime.stall_timeout",
        "runtime.track",
    }
)
# What a start that was killed early may leave.
_BEFORE_CONFIG = frozenset(
    {
        layout.RUN_LOCK_FILE,
        layout.VOCABULARY_FILE,
        TOKENIZER_FILE,
        layout.MODEL_FILE,
        layout.INPUTS_FILE,
    }
)


@dataclass(frozen=True)
class FinetuneFolder:
    """What `--output` names.

    Attributes:
      path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The configuration; with it a folder is a fine-tuned one."""
        return self.path / layout.FINETUNE_FILE

    @property
    def result(self) -> Path:
        """What the command printed, once all runs are finished."""
        return self.path / layout.RESULT_FILE

    @property
    def begun(self) -> bool:
        """Whether a fine-tuning was begun in it."""
        return self.config.is_file()

    def run(self, column: str, seed: int) -> RunFolder:
        """The folder of one run."""
        return RunFolder(self.path / column / f"seed-{seed}")

    def check_free(self) -> None:
        """Refuses a folder that holds something else.

        Raises:
          OutputError: It does.
        """
        if self.begun or not self.path.exists():
            return
        if not self.path.is_dir() or any(
            path.name not in _BEFORE_CONFIG and not path.name.startswith(".")
            for path in self.path.iterdir()
        ):
            raise OutputError(
                f"{self.path} exists and was not written by electra finetune: it has no "
                f"{layout.FINETUNE_FILE}",
                hint="choose another --output; nothing is overwritten",
            )

    def check_same(self, config: FinetuneConfig) -> None:
        """Compares a configuration with that of the folder's earlier starts.

        Raises:
          ConfigError: Something differs that decides what is learned.
          DataError: The folder's configuration is damaged.
        """
        if not self.begun:
            return
        if refused := _changes(read_config(self.config, FinetuneConfig), config):
            lines = "".join(f"\n  {key}: {was} -> {now}" for key, was, now in refused)
            raise ConfigError(
                f"{self.path} was started with another configuration:{lines}",
                hint="repeat the first command to go on, or choose another --output",
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder if there is none, and holds its lock.

        Raises:
          OutputError: It cannot be made.
          IOFailedError: The disk is full.
          TryAgainError: Another process holds the lock.
        """
        with locked_writer(self.path, lambda: self.begun):
            check_writable(self.path)
            yield

    def begin(
        self, config: FinetuneConfig, sizes: Config, inputs: Inputs, tokenizer: TextIds
    ) -> None:
        """Writes what describes the fine-tuning, or compares it with what is there.

        Raises:
          ConfigError: See `check_same`.
          DataError: The data, the source or the tokenizer are others than before.
          OSError: It cannot be written.
        """
        if self.begun:
            self.check_same(config)  # another process may have begun meanwhile
            before = read_inputs(self.path)
            was = sizes_of(Architecture.of(read_config(self.path / layout.MODEL_FILE)))
            differs = _difference(before, inputs)
            if was != sizes_of(Architecture.of(sizes)):
                differs = f"a model of another size, {before.source}"
            if differs:
                raise DataError(
                    f"{self.path} was started with {differs}",
                    hint="put it back as it was, or choose another --output",
                )
            columns = before.source_sha256 | inputs.source_sha256
            inputs = inputs.model_copy(update={"source_sha256": columns})
        else:
            atomic_write_bytes(self.path / tokenizer.file, tokenizer.content)
            atomic_write_text(self.path / layout.MODEL_FILE, dump_config(sizes))
        text = inputs.model_dump_json(indent=1) + "\n"
        atomic_write_text(self.path / layout.INPUTS_FILE, text)
        # Last: with it the folder is a fine-tuned one.
        atomic_write_text(self.config, dump_config(config))

    def write_result(self, path: Path, result: Mapping[str, Any]) -> None:
        """Writes a result without secrets.

        Raises:
          OSError: The file cannot be written; nothing is left behind.
        """
        atomic_write_text(path, json.dumps(redacted(result), indent=2, allow_nan=False) + "\n")


def deciding(config: FinetuneConfig) -> dict[str, Any]:
    """What of a configuration decides what is learned, by full key; defaults are left out."""
    return {key: now for key, _, now in _changes(FinetuneConfig(), config)}


def _changes(old: FinetuneConfig, new: FinetuneConfig) -> list[tuple[str, Any, Any]]:
    """What differs and may not change: key, old value, new value."""
    return [change for change in diff_configs(old, new) if change[0] not in _MAY_CHANGE]


def drop_weights(run: RunFolder) -> None:
    """Deletes the checkpoints of a finished run whose numbers are all that is wanted."""
    # Under a hidden name, so that what a kill leaves of them looks like none, and not like damage.
    hidden = run.checkpoints.with_name(f".{run.checkpoints.name}")
    shutil.rmtree(hidden, ignore_errors=True)
    with suppress(OSError):
        run.checkpoints.rename(hidden)
        shutil.rmtree(hidden, ignore_errors=True)


def _difference(before: Inputs, now: Inputs) -> str:
    """What differs between two starts, in words; '' for nothing."""
    for name, file in now.files.items():
        was = before.files.get(name)
        if was is None or was.sha256 != file.sha256:
            there = "none" if was is None else f"{was.path} ({was.sha256[:12]})"
            return f"another file for {name}: {there}; now {file.path} ({file.sha256[:12]})"
    if gone := [name for name in before.files if name not in now.files]:
        return f"a file for {gone[0]}, {before.files[gone[0]].path}"
    shared = sorted(now.source_sha256.keys() & before.source_sha256.keys())
    for column in shared:
        if before.source_sha256[column] != now.source_sha256[column]:
            return f"other weights of {before.source} for {column}"
    if before.source != now.source and not shared:
        return f"another source, {before.source}"
    if before.vocab_sha256 != now.vocab_sha256 or before.tokenizer != now.tokenizer:
        return "another tokenizer"
    return "other labels" if before.labels != now.labels else ""

"""Where a run goes on: its newest valid checkpoint. TensorFlow is not imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import DataError, OutputError
from electra_cli.files.layout import DAMAGED_SUFFIX, checkpoint_name
from electra_cli.modeling.architecture import Architecture, sizes_of
from electra_cli.runs.commit import fault_of, read_commit
from electra_cli.runs.run_folder import Checkpoint, RunFolder


def resume_point(
    run: RunFolder, *, warn: Callable[[str], None], saves_first: bool = True
) -> Checkpoint | None:
    """Finds the newest valid checkpoint, and puts damaged ones after it aside as *.damaged.

    Args:
      run: A run folder, locked.
      warn: Hears of each damaged checkpoint.
      saves_first: The run has a checkpoint before there is anything else in its folder. One that
        has not does the same again from its first step, if no checkpoint is valid.

    Returns:
      The checkpoint; None for a run that begins.

    Raises:
      DataError: There are checkpoints, and all are damaged: nothing is renamed. Or there were
        some, and they are gone.
      OutputError: A damaged one cannot be put aside.
    """
    damaged: list[tuple[Checkpoint, str]] = []
    for checkpoint in reversed([c for c in run.all_checkpoints() if c.is_committed]):
        fault = fault_of(checkpoint.path, checkpoint.step)
        if fault is None:
            _set_aside(damaged, checkpoint, warn)
            return checkpoint
        damaged.append((checkpoint, fault))
    if not saves_first:
        _set_aside(damaged, None, warn)
        return None
    if not damaged and not list(run.checkpoints.glob(checkpoint_name(f"*{DAMAGED_SUFFIX}*"))):
        # Before either of these a first checkpoint was written.
        has_metrics = run.metrics.is_file() and run.metrics.stat().st_size > 0
        if run.result.is_file() or has_metrics:
            raise DataError(
                f"the checkpoints of {run.path} are gone: it has been trained, but there is none "
                f"in {run.checkpoints}",
                hint="put them back (is everything mounted?), or choose another --model-dir to "
                "start anew",
            )
        return None
    faults = "; ".join(f"{found.path.name}: {fault}" for found, fault in damaged[:3])
    raise DataError(
        f"no checkpoint in {run.checkpoints} is valid: {faults or 'all were put aside before'}",
        hint="restore one from a backup, or choose another --model-dir to start anew",
    )


def _set_aside(
    damaged: list[tuple[Checkpoint, str]], valid: Checkpoint | None, warn: Callable[[str], None]
) -> None:
    goes_on = "beginning anew" if valid is None else f"going on {valid.path}"
    for checkpoint, fault in damaged:
        aside = _free_name(checkpoint.path)
        try:
            checkpoint.path.rename(aside)
        except OSError as error:
            raise OutputError(
                f"{checkpoint.path} is damaged ({fault}) and cannot be renamed: {error.strerror}",
                hint="move it away yourself and run the same command again",
            ) from error
        warn(f"{checkpoint.path} is damaged ({fault}); it is now {aside}, {goes_on}")


def _free_name(path: Path) -> Path:
    aside = path.with_name(path.name + DAMAGED_SUFFIX)
    number = 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}{DAMAGED_SUFFIX}-{number}")
    return aside


def check_fits(checkpoint: Checkpoint, config: Config, manifest: Manifest) -> None:
    """Compares a checkpoint with the model and the tokenizer of the run it lies in.

    Raises:
      DataError: It belongs to another one; both sides are named.
    """
    commit = read_commit(checkpoint.path)
    here = sizes_of(Architecture.of(config))
    texts = [
        f"{key} {commit.sizes.get(key)} there, {size} here"
        for key, size in here.items()
        if commit.sizes.get(key) != size
    ]
    if other_tokenizer := commit.tokenizer_fault(manifest):
        texts.append(other_tokenizer)
    if texts:
        raise DataError(
            f"checkpoint {checkpoint.path} is not of this run: {'; '.join(texts[:5])}",
            hint=f"put the run's own checkpoints back into {checkpoint.path.parent}, or begin "
            f"another run with --init-from {checkpoint.path}",
        )

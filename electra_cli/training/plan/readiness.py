"""What is checked once the run folder is locked, and still before TensorFlow is imported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import fields

from electra_cli.cluster.acts import ALONE, by_chief, name_of
from electra_cli.cluster.member import Worker
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest, mismatch
from electra_cli.corpus.shards.rows import load_shard
from electra_cli.corpus.shards.verify import verify_data
from electra_cli.errors import ConfigError, DataError, IOFailedError, listed
from electra_cli.files.layout import STATE, checkpoint_name
from electra_cli.modeling.budget import budget_of
from electra_cli.runs.changes import check_made_with
from electra_cli.runs.resume import check_fits, resume_point
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.training.plan.plans import DryPlan, RunPlan

_VERIFIED_BY_DEFAULT = 10e9
_WORTH_A_NOTE = 1e9
_BYTES_OF_A_FLOAT = 4


def go_on(plan: DryPlan, *, warn: Callable[[str], None], worker: Worker = ALONE) -> RunPlan:
    """Makes of a dry plan one that is carried out: it finds where the run goes on.

    Args:
      plan: Its run folder is locked.
      warn: Hears of damaged checkpoints, which are put aside.
      worker: Which of several workers this is; the chief finds it for all.

    Raises:
      ConfigError: A worker does not see what the chief sees.
      DataError: There is no data; all checkpoints are damaged, or they are of another model,
        vocabulary or configuration.
      OutputError: A damaged one cannot be put aside.
    """
    if plan.manifest is None:
        raise DataError("a run needs prepared data", hint="electra prepare-data INPUT --output DIR")
    manifest = plan.manifest
    checkpoint = agreed_checkpoint(plan.run, lambda: _newest(plan, manifest, warn), worker)
    if checkpoint is None and plan.branch is not None:
        checkpoint = plan.branch.begin()
    return RunPlan(**{one.name: getattr(plan, one.name) for one in fields(plan)}, resume=checkpoint)


def _newest(plan: DryPlan, manifest: Manifest, warn: Callable[[str], None]) -> Checkpoint | None:
    """The checkpoint at which the run goes on; None for a run that begins."""
    checkpoint = resume_point(plan.run, warn=warn)
    if checkpoint is not None:
        check_fits(checkpoint, plan.config, manifest)
        check_made_with(checkpoint, plan.config)
    return checkpoint


def agreed_checkpoint(
    run: RunFolder, find: Callable[[], Checkpoint | None], worker: Worker
) -> Checkpoint | None:
    """The checkpoint at which all workers go on.

    Args:
      run: The run.
      find: Finds it; only the chief is asked.
      worker: Which of several workers this is.

    Raises:
      ConfigError: A worker does not see what the chief sees.
      ElectraError: What `find` raises.
    """
    found = by_chief(worker, "resume", lambda: getattr(find(), "step", None))
    if found is None:
        return None
    checkpoint = Checkpoint(run, run.checkpoints / checkpoint_name(found) / STATE, found)
    states = worker.gather("checkpoint", checkpoint.state_sha256)
    if others := [index for index, state in enumerate(states) if state != states[0]]:
        names = listed([name_of(worker, index) for index in others])
        raise ConfigError(
            f"the run goes on from {checkpoint.path}, and what {names} can see there is not what "
            "worker 0 sees",
            hint=f"mount the same folder as {run.path} on all workers",
        )
    return checkpoint


def check_data(
    plan: RunPlan, *, note: Callable[[str], None], verified: float = _VERIFIED_BY_DEFAULT
) -> None:
    """Compares every byte of the data with its manifest, as far as runtime.verify_data asks for it.

    Sizes were compared when the manifest was loaded; what is not read whole is at least an array.

    Args:
      plan: The run.
      note: Hears of a check that takes long.
      verified: The most bytes that are read whole if nobody asks for it.

    Raises:
      DataError: Something differs; it names the files.
    """
    size = sum(shard.bytes for shard in plan.manifest.shards)
    mode = plan.config.runtime.verify_data
    if mode == "size" or (mode == "auto" and size > verified):
        faults = _header_faults(plan.manifest)
    else:
        if size > _WORTH_A_NOTE:
            note(f"checking {size:,} bytes of data (--set runtime.verify_data=size skips that)")
        faults = verify_data(plan.manifest).faults
    if faults:
        raise mismatch(plan.manifest, faults)


def _header_faults(manifest: Manifest) -> list[str]:
    """The shards that cannot be mapped as arrays."""
    faults = []
    for shard in manifest.shards:
        try:
            load_shard(manifest.folder / shard.file)
        except (OSError, ValueError) as error:
            faults.append(f"{shard.file} is no .npy file: {error}")
    return faults


def checkpoint_bytes(config: Config) -> int:
    """The size of a checkpoint: weights, two slots each, and their averages; float32.

    A generator that learns nothing has its weights alone.
    """
    parameters = budget_of(config, replicas=1, precision="float32").parameters
    frozen = parameters.generator if config.generator.frozen is not None else 0
    learning = (parameters.total - frozen) * (4 if config.optimizer.ema_decay else 3)
    return (frozen + learning) * _BYTES_OF_A_FLOAT


def check_space(plan: RunPlan) -> None:
    """Refuses to begin what cannot be saved.

    Raises:
      IOFailedError: The disk has no room for the checkpoints that are still to be written.
    """
    train = plan.config.train
    # One more than are kept: the oldest goes when the newest is there.
    most = max(1, train.keep_checkpoints + 1 - len(plan.run.all_checkpoints()))
    to_write = most
    if plan.stop is not None:
        to_write = -(-(plan.stop - plan.start) // train.checkpoint_every) + (not plan.has_begun)
    size = checkpoint_bytes(plan.config)
    needed = int(1.2 * size * min(to_write, most))
    free = shutil.disk_usage(plan.run.path).free
    if to_write and free < needed:
        raise IOFailedError(
            f"{plan.run.path} has {free:,} bytes free, and checkpoints of about {size:,} bytes "
            f"need {needed:,}",
            hint="free some space, or --set train.keep_checkpoints=1",
        )

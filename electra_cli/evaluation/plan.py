"""Which checkpoints are evaluated on which data, decided before TensorFlow starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from electra_cli.cluster.acts import by_chief
from electra_cli.cluster.member import Worker
from electra_cli.corpus.shards.documents import check_documents
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import DataError
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.run_folder import Checkpoint, RunFolder
from electra_cli.training.plan.sameness import facts_of_data


def choose_checkpoints(paths: Sequence[Path], *, every: bool, worker: Worker) -> list[Checkpoint]:
    """The checkpoints that paths name, as the chief finds them: one that trains may write more.

    Raises:
      InputMissingError, DataError: As `find_checkpoints`.
    """

    def find() -> list[tuple[str, str, int]]:
        found = [one for path in paths for one in find_checkpoints(path, every=every)]
        return [(str(one.run.path), str(one.prefix), one.step) for one in found]

    found = by_chief(worker, "checkpoints", find)
    return [Checkpoint(RunFolder(Path(run)), Path(prefix), step) for run, prefix, step in found]


def data_of(checkpoint: Checkpoint, data: Path | None) -> Manifest:
    """The data to evaluate a checkpoint on: a folder, or that of its run.

    Raises:
      InputMissingError: It is not there.
      DataError: It was prepared with another tokenizer, its rows are too long for the model, or
        they do not say where documents end, and the model attends within these.
    """
    config, own = checkpoint.config(), checkpoint.manifest()
    folder = data if data is not None else Path(config.data.path or "")
    manifest = checkpoint.run.load_data(folder)
    own.identity.check_data(
        manifest.identity, of=str(checkpoint.run.path), folder=folder, vocab=checkpoint.run.data
    )
    if manifest.sequence_length > config.model.max_position_embeddings:
        raise DataError(
            f"the rows of {folder} have {manifest.sequence_length} tokens, the model has "
            f"{config.model.max_position_embeddings} positions",
            hint="electra prepare-data INPUT --sequence-length "
            f"{config.data.sequence_length} --output DIR, then --data DIR",
        )
    if config.model.document_attention:
        check_documents(manifest)
    return manifest


def facts_of(checkpoints: Sequence[Checkpoint], data: Path | None) -> dict[str, Any]:
    """What has to be alike at all workers, in the groups in which it is compared.

    Raises:
      InputMissingError, DataError: As `data_of`.
    """
    newest = {str(checkpoint.run.path): checkpoint for checkpoint in checkpoints}
    of_data = {path: facts_of_data(data_of(one, data)) for path, one in newest.items()}
    return {
        "checkpoints": {str(one.prefix): one.state_sha256 for one in checkpoints},
        "data": {path: facts["data"] for path, facts in of_data.items()},
        "vocabulary": {path: facts["vocabulary"] for path, facts in of_data.items()},
    }

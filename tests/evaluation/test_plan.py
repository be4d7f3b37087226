"""What the workers of a cluster agree on before they evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from electra_cli.cluster.compare import check_same
from electra_cli.corpus.shards.manifest import Manifest, read_manifest
from electra_cli.errors import ConfigError, DataError, InputMissingError
from electra_cli.evaluation.plan import choose_checkpoints, facts_of
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.run_folder import Checkpoint
from tests.cluster.together import Together, at_each


def test_the_chief_says_which_checkpoints(trained: Path) -> None:
    """The others may see what a run has written since."""

    def choose(worker: Together, name: str) -> list[Checkpoint]:
        places = {True: [trained / name], False: [trained, trained]}
        return choose_checkpoints(places[worker.is_chief], every=False, worker=worker)

    (expected,) = find_checkpoints(trained / "checkpoints" / "ckpt-8")
    assert at_each(3, lambda worker: choose(worker, "checkpoints/ckpt-8")) == [[expected]] * 3
    for error in at_each(2, lambda worker: choose(worker, "gone")):
        assert isinstance(error, InputMissingError)
        assert "no checkpoint and no run folder at" in error.message


def test_other_checkpoints_and_other_data(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, older = (find_checkpoints(trained, every=True)[place] for place in (-1, -2))
    ours = facts_of([newest], None)

    def compared(theirs: dict[str, Any]) -> list[Any]:
        return at_each(2, lambda worker: check_same(worker, theirs if worker.index else ours))

    assert compared(facts_of([newest], None)) == [None, None]
    for error in compared(facts_of([older], None)):
        assert isinstance(error, ConfigError)
        assert "ckpt-12" in error.message

    manifest = read_manifest(trained / "data")

    def other(checkpoint: Checkpoint, data: Path | None) -> Manifest:
        return manifest.model_copy(update={"shards": manifest.shards[:1]})

    monkeypatch.setattr("electra_cli.evaluation.plan.data_of", other)
    for error in compared(facts_of([newest], None)):
        assert isinstance(error, DataError)
        assert "worker 0 (a:1) and worker 1 (b:1) differ: data." in error.message

"""Runs to export, and the exports that several tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.export.run import Exported, export
from electra_cli.modeling.electra import ElectraModel
from electra_cli.runs.named import find_checkpoints
from electra_cli.sources.exportable import Exportable, open_own
from tests.export.runs import write_run

# With 24 both networks project the embeddings, with 32 only the generator, with 16 only the
# discriminator.
EMBEDDINGS = (24, 32, 16)


@pytest.fixture(scope="session", params=EMBEDDINGS, ids=lambda size: f"embedding{size}")
def run_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run") / "run", embedding=request.param)


@pytest.fixture(scope="session")
def source(run_folder: Path) -> Exportable:
    return open_own(find_checkpoints(run_folder)[0])


@pytest.fixture(scope="session")
def model(source: Exportable) -> ElectraModel:
    return source.load_model()


@pytest.fixture(scope="session")
def huggingface(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    output = tmp_path_factory.mktemp("exports") / "huggingface"
    return export(checkpoint=run_folder, format="huggingface", output=output)


@pytest.fixture(scope="session")
def one_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run for tests to which the size of the embeddings makes no difference."""
    return write_run(tmp_path_factory.mktemp("run") / "run")

"""One process at a time writes to the folder of a fine-tuning."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.errors import TryAgainError
from electra_cli.finetuning.folder import FinetuneFolder


def test_the_second_is_told_of_the_first(tmp_path: Path) -> None:
    folder = FinetuneFolder(tmp_path / "out")
    with folder.locked():
        with pytest.raises(TryAgainError, match="another process is writing to") as error:
            folder.locked().__enter__()
        assert error.value.exit_code == 75
        assert folder.path.is_dir()
    assert not folder.path.exists()  # nothing was begun in it
    with folder.locked():
        folder.config.write_text("")
    with folder.locked():
        assert folder.begun

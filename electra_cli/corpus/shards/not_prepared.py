"""What a path is that was taken for prepared data, and what to type instead."""

from __future__ import annotations

from pathlib import Path

from electra_cli.config import yaml_core
from electra_cli.errors import DataError, ElectraError, InputMissingError
from electra_cli.files.layout import CONFIG_FILE, DATA_FOLDER, LOCK_FILE, MANIFEST_FILE, PLAN_FILE


def not_prepared(path: Path) -> ElectraError:
    """The error for a path without a manifest.

    Returns:
      InputMissingError: There is nothing.
      DataError: There is something else.
    """
    if not path.exists():
        return InputMissingError(
            f"there is no folder {path}", hint=f"`electra prepare-data INPUT --output {path}`"
        )
    if path.is_file():
        if (path.parent / MANIFEST_FILE).is_file():
            return _other(path, "it is a file of one", f"name the folder: {path.parent}")
        return _other(path, "it is a file", f"`electra prepare-data {path} --output DIR`, then DIR")
    if (path / CONFIG_FILE).is_file():
        data = _data_of(path / CONFIG_FILE)
        hint = f"its data is in {data}" if data else "name the folder that it was trained on"
        return _other(
            path, "it is a run folder", f"{hint}; --model-dir {path} goes on with the run"
        )
    if (path / PLAN_FILE).is_file() or (path / LOCK_FILE).is_file():
        return _other(
            path,
            "its preparation is not finished",
            f"run the same `electra prepare-data INPUT --output {path}` again: it goes on",
        )
    inside = sorted(file.parent for file in path.glob(f"*/{MANIFEST_FILE}"))
    if inside:
        return _other(path, f"it has no {MANIFEST_FILE}", f"did you mean {inside[0]}?")
    return _other(
        path, f"it has no {MANIFEST_FILE}", f"`electra prepare-data {path} --output DIR`, then DIR"
    )


def copy_of_run(path: Path) -> DataError | None:
    """The error for a run's copy of its data's manifest, taken for the data itself; else None."""
    config = path.parent / CONFIG_FILE
    if path.name != DATA_FOLDER or not config.is_file() or any(path.glob("*.npy")):
        return None
    what = "it is a run's copy of the manifest, without rows"
    return _other(path, what, f"its data is in {_data_of(config) or 'another folder'}")


def _other(path: Path, what: str, hint: str) -> DataError:
    return DataError(f"{path} is no prepared data: {what}", hint=hint)


def _data_of(config: Path) -> str | None:
    """What a run's configuration names as its data."""
    try:
        section = yaml_core.load_yaml(config.read_text(encoding="utf-8"))["data"]
        return str(section["path"]) if section["path"] is not None else None
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""Where the presets are: in the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path

from electra_cli.config.nearest import nearest
from electra_cli.errors import ConfigError, InputMissingError

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the repository's presets/ as electra_cli/_presets (pyproject.toml).
_FOLDERS = (_PACKAGE / "_presets", _PACKAGE.parent / "presets")


def available_presets() -> list[str]:
    """Returns the names of the presets that come with the package, smallest model first."""
    folder = next((folder for folder in _FOLDERS if folder.is_dir()), None)
    names = {path.stem for path in folder.glob("*.yaml")} if folder else set()
    order = ["tiny", "small", "small-plus-plus", "base", "large"]
    return sorted(names, key=lambda name: (order.index(name) if name in order else 99, name))


def preset_path(name: str, *, origin: str = "--preset") -> Path:
    """Returns the file of a preset.

    Args:
      name: A preset's name, or the path of a YAML file (ending in .yaml or .yml).
      origin: Where the name was given.

    Raises:
      ConfigError: No preset has that name.
      InputMissingError: The file is not there.
    """
    names = available_presets()
    if name in names:
        return next(path for folder in _FOLDERS if (path := folder / f"{name}.yaml").is_file())
    choices = f"--preset NAME: one of {', '.join(names)}, or the path of a .yaml file"
    path = Path(name)
    if name.endswith((".yaml", ".yml")):
        if not path.is_file():
            raise InputMissingError(f"preset file {name} does not exist", hint=choices)
        return path
    near = nearest(name, names)
    hint = f"did you mean --preset {near}? " if near else ""
    raise ConfigError(f"unknown preset {name} (from {origin})", hint=hint + choices)

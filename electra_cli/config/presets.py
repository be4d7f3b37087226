"""Where the presets are: in the installed package, or beside it in a checkout."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from electra_cli.config.finetune import Kind
from electra_cli.config.nearest import nearest
from electra_cli.config.schema import Config, Root
from electra_cli.errors import ConfigError, InputMissingError

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the repository's presets/ as electra_cli/_presets (pyproject.toml).
_FOLDERS = (_PACKAGE / "_presets", _PACKAGE.parent / "presets")


def available_presets(root: type[Root] = Config) -> list[str]:
    """Returns the names of the presets that come with the package, smallest model first."""
    folder = next((folder for folder in _folders(root) if folder.is_dir()), None)
    names = {path.stem for path in folder.glob("*.yaml")} if folder else set()
    order = ["tiny", "small", "small-plus-plus", "base", "large", *get_args(Kind)]
    return sorted(names, key=lambda name: (order.index(name) if name in order else 99, name))


def _folders(root: type[Root]) -> list[Path]:
    return [folder / root.preset_folder for folder in _FOLDERS]


def preset_path(name: str, root: type[Root] = Config, *, origin: str = "--preset") -> Path:
    """Returns the file of a preset.

    Args:
      name: A preset's name, or the path of a YAML file (ending in .yaml or .yml).
      root: The configuration it is a preset of.
      origin: Where the name was given.

    Raises:
      ConfigError: No preset has that name.
      InputMissingError: The file is not there.
    """
    names, option = available_presets(root), root.preset_option
    if name in names:
        return next(
            path for folder in _folders(root) if (path := folder / f"{name}.yaml").is_file()
        )
    typed = option if origin.startswith("--") else "preset:"  # in a file
    choices = f"{typed} NAME: one of {', '.join(names)}, or the path of a .yaml file"
    path = Path(name)
    if name.endswith((".yaml", ".yml")):
        if not path.is_file():
            raise InputMissingError(f"preset file {name} does not exist", hint=choices)
        return path
    near = nearest(name, names)
    hint = f"did you mean {typed} {near}? " if near else ""
    raise ConfigError(f"unknown {option.lstrip('-')} {name} (from {origin})", hint=hint + choices)

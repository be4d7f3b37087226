"""What a user names as a configuration: a preset, a task, a YAML file, or the folder of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import LoadedConfig, Override, load_config, read_document
from electra_cli.config.nearest import did_you_mean, nearest
from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Config, Root
from electra_cli.errors import ConfigError, DataError
from electra_cli.files import layout

ROOTS: tuple[type[Root], ...] = (Config, FinetuneConfig)
RECORDS: Mapping[str, type[Root]] = {
    layout.CONFIG_FILE: Config,
    layout.FINETUNE_FILE: FinetuneConfig,
}
_ENDINGS = (".yaml", ".yml")
_THERE = "name a .yaml file or a run folder that can be read, a preset or a task"


@dataclass(frozen=True)
class NamedConfig:
    """Where a configuration is.

    Attributes:
      root: The kind of configuration.
      preset: Name or file of its preset; None where the file says it.
      file: The file that changes the preset; None for none.
      recorded: It is the record of a run, which no environment changes any more.
    """

    root: type[Root]
    preset: str | None = None
    file: Path | None = None
    recorded: bool = False

    @property
    def kind(self) -> str:
        """What it is: "run", "fine-tuned", "file", "preset" or "task"."""
        if self.recorded:
            return "run" if self.root is Config else "fine-tuned"
        if self.file is None and self.preset in available_presets(self.root):
            return self.root.preset_option.lstrip("-")
        return "file"

    @property
    def name(self) -> str:
        """What it is called: a folder, a file, a preset or a task."""
        if self.file is not None:
            return str(self.file.parent if self.recorded else self.file)
        return str(self.preset)

    def load(
        self, environment: Mapping[str, str], overrides: Sequence[Override] = ()
    ) -> LoadedConfig[Root]:
        """Loads it; see `load_config`.

        Args:
          environment: Variables; the record of a run is as it was written.
          overrides: Values of the command line.
        """
        return load_config(
            self.root,
            preset=self.preset,
            config_file=self.file,
            environment={} if self.recorded else environment,
            overrides=overrides,
        )


def named_config(name: str) -> NamedConfig:
    """Finds what a name stands for.

    Args:
      name: A preset or a task, the path of a YAML file, or of a run or fine-tuned folder. A file
        that names no preset is one itself.

    Raises:
      ConfigError: Nothing is called so, or a file is no YAML.
      DataError: It is a folder, and no run's.
      InputMissingError: A file that is not there or cannot be read.
    """
    for root in ROOTS:
        if name in available_presets(root):
            return NamedConfig(root, preset=name)
    path = Path(name)
    if path.is_dir():
        for file, root in RECORDS.items():
            if (path / file).is_file():
                read_document(path / file, _THERE)
                return NamedConfig(root, file=path / file, recorded=True)
        raise DataError(
            f"{name} is no run folder: there is neither {' nor '.join(RECORDS)} in it",
            hint="name the --model-dir of `electra pretrain`, or the --output of "
            "`electra finetune`",
        )
    is_yaml = path.suffix in _ENDINGS
    if is_yaml or path.is_file():
        return _of_file(path, is_yaml=is_yaml)
    names = [preset for root in ROOTS for preset in available_presets(root)]
    raise ConfigError(
        f"{name} is no preset, no task, no .yaml file and no run folder",
        hint=did_you_mean(name, names),
    )


def _near(path: Path) -> str:
    """What to type in the place of a file: one like it, or what else there is."""
    beside = path.parent.iterdir() if path.parent.is_dir() else ()
    near = nearest(path.name, [one.name for one in beside if one.suffix in _ENDINGS])
    return f"did you mean {path.with_name(near)}?" if near not in (None, path.name) else _THERE


def _of_file(path: Path, *, is_yaml: bool) -> NamedConfig:
    document = read_document(path, _near(path))
    root = FinetuneConfig if "task" in document else Config
    if "preset" in document or not is_yaml:
        return NamedConfig(root, file=path)
    return NamedConfig(root, preset=str(path))

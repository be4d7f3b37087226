"""`electra config show`: a configuration as it will be, and where each value came from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.streams import write_result
from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from electra_cli.config.load import LoadedConfig
    from electra_cli.config.named import NamedConfig

EXAMPLES = """
electra config show small
electra config show runs/mine --json
electra config show --preset small --config mine.yaml --set train.steps=1000
"""
LESS_MEMORY = ""
_KINDS = {"fine-tuned": "fine-tuned folder"}


# fmt: off
def command(
    name: Annotated[str | None, typer.Argument(
        metavar="RUN|FILE|NAME", show_default=False, autocompletion=completion.configurations,
        help="A run folder as it was recorded, a fine-tuned one, a YAML file, a preset or a task.",
        )] = None,
    preset: Annotated[str | None, typer.Option(
        metavar="NAME|FILE", autocompletion=options.presets,
        help="As of `electra pretrain`.")] = None,
    config: Annotated[Path | None, typer.Option(
        metavar="FILE", help="As of `electra pretrain`.")] = None,
    task: Annotated[str | None, typer.Option(
        metavar="NAME|FILE", autocompletion=options.tasks,
        help="A task of `electra finetune`, or the file of one.")] = None,
    settings: Annotated[list[str] | None, typer.Option(
        "--set", metavar="KEY=VALUE", autocompletion=options.settings,
        help="Any key of the configuration; repeatable.")] = None,
    as_yaml: Annotated[bool, typer.Option(
        "--yaml", help="Print a file that --config reads back.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show every value of a configuration and where it came from."""
    # fmt: on
    del debug
    from electra_cli.config.load import dump_config, parse_set

    for given, what in ((name, "name"), (preset, "preset"), (task, "task")):
        options.refuse_url(given or "", what)
    if as_yaml and as_json:
        raise ConfigError("--yaml and --json: one of both", hint="leave one of them out")
    overrides = [parse_set(text) for text in settings or []]
    found = _found(name, preset, config, task)
    loaded = found.load(os.environ, overrides)
    if as_yaml:
        write_result(dump_config(loaded.config))
        return
    rows, called = _rows(loaded), loaded.config.preset
    _print(Terminal(quiet=quiet, stdout=not as_json), found, called, rows)
    if as_json:
        shown = {"name": found.name, "kind": found.kind, "preset": called, "values": rows}
        emit_json({"command": "config show", **shown})


def _found(
    name: str | None, preset: str | None, config: Path | None, task: str | None
) -> NamedConfig:
    from electra_cli.config.finetune import FinetuneConfig
    from electra_cli.config.named import NamedConfig, named_config
    from electra_cli.config.schema import Config

    options_given = preset is not None or config is not None
    if (name is not None) + options_given + (task is not None) != 1:
        raise ConfigError(
            "one configuration is shown: RUN|FILE|NAME, or --preset and --config, or --task",
            hint="electra config show small, for example",
        )
    if name is not None:
        return named_config(name)
    if task is not None:
        return NamedConfig(FinetuneConfig, preset=task)
    return NamedConfig(Config, preset=preset, file=config)


def _rows(loaded: LoadedConfig[Any]) -> list[dict[str, Any]]:
    """Key, value, origin, and what the preset has; of a preset that is a file it is not known."""
    from electra_cli.config.load import load_config
    from electra_cli.config.presets import available_presets
    from electra_cli.config.schema import leaf_fields

    config, root = loaded.config, type(loaded.config)
    record, preset = config.model_dump(), None
    if config.preset in available_presets(root):
        preset = load_config(root, preset=config.preset, environment={}).config.model_dump()
    return [
        {
            "key": key,
            "value": record[section][leaf],
            "origin": loaded.origins[key],
            "preset_value": preset and preset[section][leaf],
        }
        for key, section, leaf in ((key, *key.split(".")) for key in leaf_fields(root))
    ]


def _print(
    terminal: Terminal, found: NamedConfig, preset: str, rows: Sequence[dict[str, Any]]
) -> None:
    """A table; what the preset has is shown where it is another value."""
    from electra_cli.config.presets import available_presets
    from electra_cli.config.values import written

    # What the title names need not stand in every row.
    word = found.root.preset_option.lstrip("-")
    short = {f"{word} {name}": word for name in (preset, found.preset)}
    title = f"Configuration of {_KINDS.get(found.kind, found.kind)} {found.name}"
    if found.file is not None:
        short[str(found.file)] = found.file.name
        title += f", {word} {preset}"
    named, columns = preset in available_presets(found.root), ["key", "value", "from"]
    cells = [
        [row["key"], written(row["value"]), short.get(row["origin"], row["origin"])] for row in rows
    ]
    changed = [named and row["preset_value"] != row["value"] for row in rows]
    if any(changed):
        columns.append(f"{preset} has")
        for row, line, differs in zip(rows, cells, changed, strict=True):
            line.append(written(row["preset_value"]) if differs else "")
    terminal.table(title, columns, cells, left=(0, 2))

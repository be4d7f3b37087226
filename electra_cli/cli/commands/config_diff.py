"""`electra config diff`: the keys in which runs, files or presets differ."""

from __future__ import annotations

from typing import Annotated

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.errors import ConfigError

EXAMPLES = """
electra config diff small base
electra config diff runs/one runs/two mine.yaml
"""
LESS_MEMORY = ""


# fmt: off
def command(
    names: Annotated[list[str], typer.Argument(
        metavar="RUN|FILE|NAME...", show_default=False, autocompletion=completion.configurations,
        help="Two or more: run folders, fine-tuned folders, YAML files, presets or tasks.")],
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Compare configurations: only the keys that differ. The exit code is 0 either way."""
    # fmt: on
    del debug
    from electra_cli.config.load import differences
    from electra_cli.config.named import named_config
    from electra_cli.config.values import written

    for name in names:
        options.refuse_url(name, "names")
    found = [named_config(name) for name in names]
    if len(found) < 2:
        raise ConfigError(
            f"{names[0]} alone: there is nothing to compare it with",
            hint=f"electra config diff {names[0]} OTHER; electra config show {names[0]}",
        )
    kinds = {one.root: name for name, one in zip(names, found, strict=True)}
    if len(kinds) > 1:
        raise ConfigError(
            f"{' and '.join(kinds.values())} are of different kinds: one is of a pretraining, the "
            "other of a fine-tuning",
            hint="compare runs of one kind",
        )
    # What is set in this shell decides nothing of what files and presets say.
    rows = differences([one.load(environment={}).config for one in found])
    terminal = Terminal(quiet=quiet, stdout=not as_json)
    if rows:
        cells = [(key, *map(written, values)) for key, values in rows]
        terminal.table("Keys that differ", ("key", *names), cells)
    else:
        terminal.result("no key differs")
    if as_json:
        emit_json(
            {
                "command": "config diff",
                "compared": names,
                "differences": [{"key": key, "values": values} for key, values in rows],
            }
        )

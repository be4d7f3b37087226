"""`electra config schema`: what an editor has to know of configuration files."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from electra_cli.cli import options
from electra_cli.cli.screen.console import emit_json
from electra_cli.cli.screen.streams import write_result

EXAMPLES = """
electra config schema > electra.schema.json
electra config schema --task > electra-task.schema.json
"""
LESS_MEMORY = ""


# fmt: off
def command(
    task: Annotated[bool, typer.Option(
        "--task", help="Of a task, as --task-file of `electra finetune` takes it.")] = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Print the JSON Schema of configuration files, for editors."""
    # fmt: on
    del debug
    from electra_cli.config.finetune import FinetuneConfig
    from electra_cli.config.json_schema import json_schema
    from electra_cli.config.schema import Config

    schema = json_schema(FinetuneConfig if task else Config)
    if as_json:
        emit_json(schema)
    else:
        write_result(json.dumps(schema, indent=2) + "\n")

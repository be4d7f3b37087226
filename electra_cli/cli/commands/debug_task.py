"""`electra debug task`: what labelled data holds, and what the model will see of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from electra_cli.cli import options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.finetuning import print_overview

EXAMPLES = """
electra debug task runs/mine --task mrpc --data glue/MRPC
electra debug task runs/mine --task tagging --train a.txt --dev b.txt
"""
LESS_MEMORY = "--train and --dev with parts of the data show the same"


# fmt: off
def command(
    source: options.Source,
    task: options.Task = None,
    task_file: options.TaskFile = None,
    train: options.Train = None,
    dev: options.Dev = None,
    data: options.Data = None,
    text: options.Text = None,
    label: options.Label = None,
    column: options.Column = None,
    max_length: options.MaxLength = None,
    settings: options.Settings = None,
    reference_config: options.ReferenceConfig = None,
    vocab: options.Vocab = None,
    lowercase: options.Lowercase = None,
    examples: Annotated[int, typer.Option(
        "--examples", min=0, help="Training examples to show as the model sees them.")] = 3,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show labelled data as `electra finetune` sees it; nothing is trained."""
    # fmt: on
    given = dict(locals())
    del debug
    terminal = Terminal(quiet=quiet, stdout=not as_json)
    loaded = options.load_task(given)
    from electra_cli.finetuning.decoded import decoded
    from electra_cli.finetuning.plan import choose_files, plan_data
    from electra_cli.sources.open import open_source

    with TemporaryDirectory(prefix="electra-") as scratch:
        item = open_source(
            source,
            reference_config=reference_config,
            vocab=vocab,
            lowercase=lowercase,
            scratch=Path(scratch),
            needs_head=False,
            on_progress=terminal.note,
        )
        files = choose_files(loaded.config, data=data, train=train, dev=dev or [])
        _, found = plan_data(
            loaded.config, item, source=source, files=files, on_progress=terminal.note
        )
    print_overview(terminal, found.overview)
    for warning in found.warnings:
        terminal.warn(warning)
    shown = decoded(found, examples)
    for one in shown:
        terminal.result(f"training row {one['row']:,}: {one['label']}\n  {one['text']}")
    if as_json:
        emit_json(
            {
                "command": "debug task",
                "kind": found.kind.task.kind,
                "labels": list(found.kind.labels),
                "data": asdict(found.overview),
                "warnings": list(found.warnings),
                "examples": shown,
            }
        )

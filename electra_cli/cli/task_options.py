"""Options that say what a task is and where its data lies: of `finetune` and of `debug task`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from electra_cli.cli import options
from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import Override, load_config, parse_set
from electra_cli.config.presets import available_presets
from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    from electra_cli.config.load import LoadedConfig

DATA, WEIGHTS = "Task and data", "Weights of other projects"

# fmt: off
Source = Annotated[Path, typer.Argument(
    metavar="SOURCE", show_default=False,
    help="A run folder (its newest checkpoint), a checkpoint, one of the original code, or a "
    "Hugging Face folder.")]
Task = Annotated[str | None, typer.Option(
    metavar="NAME", autocompletion=options.tasks, rich_help_panel=DATA,
    help="cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, squad, squad2 or chunking, which set "
    "everything; or a kind: classification, regression, tagging or qa.")]
TaskFile = Annotated[Path | None, typer.Option(
    metavar="FILE.yaml", rich_help_panel=DATA, help="A task of your own instead of --task.")]
Train = Annotated[Path | None, typer.Option(
    metavar="FILE", rich_help_panel=DATA,
    help="Training data: CSV, TSV, JSON lines, Parquet, CoNLL, CoNLL-U or SQuAD's "
    "JSON, plain or compressed.")]
Dev = Annotated[list[Path] | None, typer.Option(
    metavar="FILE", rich_help_panel=DATA,
    help="Data to score; repeatable, runs are compared by the first.")]
Data = Annotated[Path | None, typer.Option(
    metavar="DIR", rich_help_panel=DATA,
    help="Folder of a named task as it is distributed, instead of --train and --dev.")]
Text = Annotated[str | None, typer.Option(
    metavar="COLUMNS", rich_help_panel=DATA,
    help="Column of the text, or two joined by a comma; #2 is the second.")]
Label = Annotated[str | None, typer.Option(
    metavar="COLUMN", rich_help_panel=DATA, help="Column of the label.")]
Column = Annotated[str | None, typer.Option(
    metavar="NAME|#N", rich_help_panel=DATA,
    help="Column of the tags of words: upos, xpos, … of CoNLL-U, or #4.")]
MaxLength = Annotated[int | None, typer.Option(
    rich_help_panel=DATA, help="Tokens of a row.")]
Settings = Annotated[list[str] | None, typer.Option(
    "--set", metavar="KEY=VALUE", autocompletion=options.task_settings,
    help="Any key of a task or its recipe; repeatable.")]
ReferenceConfig = Annotated[Path | None, typer.Option(
    show_default=False, rich_help_panel=WEIGHTS,
    help="Sizes of a checkpoint of google-research/electra, JSON; inferred "
    "without it.")]
Vocab = Annotated[Path | None, typer.Option(
    show_default=False, rich_help_panel=WEIGHTS,
    help="Vocabulary of weights that no run belongs to.")]
Lowercase = Annotated[bool | None, typer.Option(
    "--lowercase/--no-lowercase", show_default="as recorded, else yes",
    rich_help_panel=WEIGHTS,
    help="Whether the tokenizer of such weights lower-cases.")]
# fmt: on


def load_task(
    task: str | None,
    task_file: Path | None,
    settings: Sequence[str] | None,
    given: Sequence[tuple[str, Any, str]],
) -> LoadedConfig[FinetuneConfig]:
    """Loads the configuration of a task.

    Args:
      task: What --task names.
      task_file: What --task-file names.
      settings: Texts of --set.
      given: Key, value and option of each of the others; None for one that was not given.

    Raises:
      ConfigError: Neither or both name a task, or a value is wrong.
    """
    if (task is None) == (task_file is None):
        wrong = "--task and --task-file" if task is not None else "neither --task nor --task-file"
        raise ConfigError(
            f"{wrong}: one of both names the task",
            hint=f"--task NAME: one of {', '.join(available_presets(FinetuneConfig))}; or "
            "--task-file FILE.yaml",
        )
    if task_file is not None and task_file.suffix not in (".yaml", ".yml"):
        raise ConfigError(
            f"--task-file {task_file}: the name of a task of your own ends in .yaml",
            hint="--task-file FILE.yaml; a task that has a name goes with --task",
        )
    overrides = [parse_set(text) for text in settings or []]
    overrides += [Override(*one) for one in given if one[1] is not None]
    return load_config(
        FinetuneConfig,
        preset=task if task_file is None else str(task_file),
        environment=os.environ,
        overrides=overrides,
    )

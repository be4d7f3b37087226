"""Options that several commands share, and what a shell offers for values; without TensorFlow."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

import typer

from electra_cli.cli import completion
from electra_cli.cluster.discovery.choice import CHOICES
from electra_cli.config.choices import Network, Precision
from electra_cli.config.rules.trackers import NO_TRACKER, TRACKERS
from electra_cli.errors import ConfigError
from electra_cli.files.remote.place import split_url

if TYPE_CHECKING:
    from electra_cli.config.finetune import FinetuneConfig
    from electra_cli.config.load import LoadedConfig
    from electra_cli.config.schema import Root

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, on failure too.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print only warnings and errors.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]


def local_only(command: Callable[..., None]) -> Callable[..., None]:
    """A command that refuses a URL wherever it takes a path; see `refuse_url`."""

    @functools.wraps(command)
    def checked(**values: Any) -> None:
        refuse_urls(values)
        command(**values)

    return checked


def refuse_urls(values: Mapping[str, Any]) -> None:
    """Refuses a URL wherever options have paths; see `refuse_url`."""
    for name, value in values.items():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, Path):
                refuse_url(str(path), name.rstrip("_").replace("_", "-"))


def refuse_url(path: str, name: str) -> None:
    """Refuses a URL, from which nothing could be read and which would become a local folder `s3:`.

    Args:
      path: What was given.
      name: What it was given for.

    Raises:
      ConfigError: It is a URL.
    """
    parts = split_url(path)
    if parts is None:
        return
    scheme, _, rest = parts
    hint = (
        "mount it, or copy it to a local folder and give that; results can be copied afterwards. "
        f"A local folder that is really called so: $PWD/{scheme}:/{rest}"
    )
    if scheme.lower() == "file":
        rest = f"/{rest}"
        hint = f"give the path itself: {rest}"
    raise ConfigError(
        f"{scheme}://{rest} ({name}) is a URL, and only local files are read and written", hint=hint
    )


_DEVICES = ("auto", "cpu", "cpu:2", "gpu", "gpu:0", "gpu:0,1", "mirrored", "tpu")
_GPU = "gpu:"

Complete = Callable[[str], list[str]]


def _one_of(values: Callable[[], Iterable[str]]) -> Complete:
    def complete(incomplete: str) -> list[str]:
        return [value for value in values() if value.startswith(incomplete)]

    return complete


def _presets() -> Iterable[str]:
    from electra_cli.config.presets import available_presets

    return available_presets()


def _tasks() -> Iterable[str]:
    from electra_cli.config.finetune import FinetuneConfig
    from electra_cli.config.presets import available_presets

    return available_presets(FinetuneConfig)


def _keys() -> Iterable[str]:
    from electra_cli.config.schema import leaf_fields

    return leaf_fields()


def _settings() -> Iterator[str]:
    from electra_cli.config.schema import Config

    return _values(Config)


def _task_settings() -> Iterator[str]:
    from electra_cli.config.finetune import FinetuneConfig

    return _values(FinetuneConfig)


def _values(root: type[Root]) -> Iterator[str]:
    """KEY= of everything, and KEY=VALUE where the schema lists the values."""
    from electra_cli.config.schema import leaf_fields

    for key, field in leaf_fields(root).items():
        yield f"{key}="
        allowed = get_args(field.annotation) or (field.annotation,)
        words = ("true", "false") if bool in allowed else allowed
        yield from (f"{key}={word}" for word in words if isinstance(word, str))


def _findings() -> Iterable[str]:
    from electra_cli.health import FINDINGS

    return FINDINGS


def _limits() -> Iterator[str]:
    from electra_cli.objectives import all_objectives, metrics_of

    return (f"{name}=" for name in metrics_of(all_objectives(), detail=True))


def devices(incomplete: str) -> list[str]:
    """The forms of --device; behind gpu: this machine's cards too."""
    names = completion.cards() if incomplete.startswith(_GPU) else []
    return _one_of(lambda: [*_DEVICES, *(_GPU + name for name in names)])(incomplete)


presets = _one_of(_presets)
clusters = _one_of(lambda: CHOICES)
precisions = _one_of(lambda: get_args(Precision))
networks = _one_of(lambda: get_args(Network))
trackers = _one_of(lambda: (*TRACKERS, NO_TRACKER))
keys = _one_of(_keys)
settings = _one_of(_settings)
tasks = _one_of(_tasks)
task_settings = _one_of(_task_settings)
findings = _one_of(_findings)
limits = _one_of(_limits)

DATA, WEIGHTS = "Task and data", "Weights of other projects"

# fmt: off
Source = Annotated[Path, typer.Argument(
    metavar="SOURCE", show_default=False, autocompletion=completion.checkpoints,
    help="A run folder (its newest checkpoint), a checkpoint, one of the original code, or a "
    "Hugging Face folder.")]
Task = Annotated[str | None, typer.Option(
    metavar="NAME", autocompletion=tasks, rich_help_panel=DATA,
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
    "--set", metavar="KEY=VALUE", autocompletion=task_settings,
    help="Any key of a task or its recipe; repeatable.")]
ShareDevice = Annotated[bool, typer.Option(
    "--share-device", help="Also use a GPU on which another process computes.")]
Cluster = Annotated[str, typer.Option(
    metavar="|".join(CHOICES), autocompletion=clusters,
    help="Where the workers of a cluster are found: TF_CONFIG, Slurm's variables, or those of a "
    "JobSet or an indexed job; auto: what the environment shows. The same command starts on each.")]
RendezvousTimeout = Annotated[float, typer.Option(
    metavar="SECONDS", min=1.0, help="How long the workers of a cluster wait for each other at the "
    "start.")]
Track = Annotated[list[str] | None, typer.Option(
    metavar="|".join((*TRACKERS, NO_TRACKER)), show_default="tensorboard", autocompletion=trackers,
    help="Where metrics go besides metrics.jsonl; repeatable. Needs pip install '.[wandb]' and so "
    "on.")]
ReferenceConfig = Annotated[Path | None, typer.Option(
    show_default=False, rich_help_panel=WEIGHTS,
    help="Sizes of a checkpoint of google-research/electra, JSON; inferred "
    "without it.")]
Vocab = Annotated[Path | None, typer.Option(
    show_default=False, rich_help_panel=WEIGHTS,
    help="Vocabulary of weights that no run belongs to, or their tokenizer.json.")]
Lowercase = Annotated[bool | None, typer.Option(
    "--lowercase/--no-lowercase", show_default="as recorded, else yes",
    rich_help_panel=WEIGHTS,
    help="Whether the tokenizer of such weights lower-cases.")]
# fmt: on


def joined(values: Sequence[str] | None) -> str | None:
    """What an option that may be repeated means as one text; None if it was not given."""
    return ",".join(values) if values else None


# Parameters of commands for labelled data: the key that one sets, and its option.
_TASK_KEYS = {
    "text": ("task.text", "--text"),
    "label": ("task.label", "--label"),
    "column": ("task.column", "--column"),
    "max_length": ("task.max_length", "--max-length"),
    "head": ("task.head", "--head"),
    "learning_rate": ("optimizer.learning_rate", "--learning-rate"),
    "layer_decay": ("optimizer.layer_decay", "--layer-decay"),
    "epochs": ("train.epochs", "--epochs"),
    "batch_size": ("train.batch_size", "--batch-size"),
    "seed": ("train.seed", "--seed"),
    "seeds": ("train.seeds", "--seeds"),
    "device": ("runtime.device", "--device"),
    "precision": ("runtime.precision", "--precision"),
}


def load_task(given: Mapping[str, Any]) -> LoadedConfig[FinetuneConfig]:
    """Loads the configuration of a task.

    Args:
      given: The parameters of a command by name; None for what was not given.

    Raises:
      ConfigError: Neither or both options name the task, or a value is wrong.
    """
    from electra_cli.config.finetune import FinetuneConfig
    from electra_cli.config.load import Override, load_config, parse_set
    from electra_cli.config.presets import available_presets

    task, task_file, settings = (given[name] for name in ("task", "task_file", "settings"))
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
    overrides += [
        Override(key, value, option)
        for name, (key, option) in _TASK_KEYS.items()
        if (value := given.get(name)) is not None
    ]
    if (xla := given.get("xla")) is not None:
        overrides.append(Override("runtime.xla", xla, "--xla" if xla else "--no-xla"))
    if given.get("share_device"):
        overrides.append(Override("runtime.share_device", True, "--share-device"))
    if (track := joined(given.get("track"))) is not None:
        overrides.append(Override("runtime.track", track, "--track"))
    return load_config(
        FinetuneConfig,
        preset=task if task_file is None else str(task_file),
        environment=os.environ,
        overrides=overrides,
    )

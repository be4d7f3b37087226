"""The typed configuration of a fine-tuning: the task, the recipe, and where it runs.

A named task is a preset of these keys, a `--task-file` a preset of one's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from electra_cli.config.rules.batches import check_batch
from electra_cli.config.schema import Root
from electra_cli.config.sections import AdamConfig, RuntimeConfig, Section
from electra_cli.errors import ConfigError

Kind = Literal["classification", "regression", "tagging", "qa"]
HeadStyle = Literal["huggingface", "reference"]
LayerDecay = Literal["reference", "paper", "none"]
TaskFormat = Literal["auto", "table", "squad", "conll", "conllu"]
Quoting = Literal["auto", "csv", "none"]
Scheme = Literal["auto", "none", "bio", "bioes", "io"]


class TaskConfig(Section):
    """What is learned, and how files say it."""

    kind: Kind = Field(
        default="classification",
        description="classification and regression: a label or a number for one or two texts; "
        "tagging: a tag for each word; qa: the answer to a question in a text, as in SQuAD.",
    )
    text: str = Field(
        default="text",
        min_length=1,
        description="Column of the text, or of two texts joined by a comma; #2 is the second "
        "column of a table without a header.",
    )
    label: str = Field(
        default="label", min_length=1, description="Column of the label; #1 is the first."
    )
    labels: str | None = Field(
        default=None,
        description="All labels in the order of their numbers, joined by commas; of a regression "
        "the least and the greatest number; null: those of the training data, sorted.",
    )
    format: TaskFormat = Field(
        default="auto",
        description="What a file is: table is CSV, TSV, JSON lines or Parquet; auto: as its name "
        "and its content say.",
    )
    header: bool = Field(
        default=True, description="Whether the first row of CSV or TSV names the columns."
    )
    quoting: Quoting = Field(
        default="auto",
        description="csv: a double quote begins a field of CSV or TSV; none: it is a character "
        "like any other; auto: csv in CSV, and in TSV none.",
    )
    column: str = Field(
        default="auto",
        min_length=1,
        description="Column of the tags: a name of CoNLL-U such as upos, or #4 for the fourth; "
        "auto: upos in CoNLL-U, else the last.",
    )
    scheme: Scheme = Field(
        default="auto",
        description="How tags mark spans of words, and data in another scheme is converted; none: "
        "each word stands for itself; auto: as in the training data.",
    )
    metric: str | None = Field(
        default=None,
        min_length=1,
        description="What checkpoints and seeds are compared by; null: the usual one of the kind.",
    )
    double_unordered: bool = Field(
        default=False, description="Train on pairs of texts in both orders."
    )
    max_length: int = Field(
        default=128, ge=8, description="Tokens of a row, [CLS] and [SEP] included."
    )
    max_query_length: int = Field(
        default=64, ge=1, description="Tokens of a question; those behind are cut off."
    )
    doc_stride: int = Field(
        default=128, ge=1, description="Tokens from one window over a long context to the next."
    )
    n_best: int = Field(default=20, ge=1, description="Answers that are considered.")
    max_answer_length: int = Field(default=30, ge=1, description="Tokens of the longest answer.")
    most_cut: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Share of the examples that may be cut at max_length; more is refused.",
    )
    head: HeadStyle = Field(
        default="huggingface",
        description="Layers over the encoder: huggingface's, so that exports are exact, or the "
        "reference's.",
    )

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns of `text`."""
        return tuple(part.strip() for part in self.text.split(","))

    @property
    def label_names(self) -> tuple[str, ...] | None:
        """The labels of `labels`; None where the data decides."""
        if self.labels is None:
            return None
        return tuple(part.strip() for part in self.labels.split(","))


class FinetuneOptimizerConfig(AdamConfig):
    """The reference's Adam, and a rate for each layer."""

    learning_rate: float | None = Field(
        default=None,
        gt=0,
        description="Learning rate of the head, before warm-up and decay; null: by the model's "
        "size, 3e-4 for small, 1e-4 for base, 5e-5 for large.",
    )
    layer_decay: LayerDecay = Field(
        default="reference",
        description="Rates fall from layer to layer: paper by one power of decay_factor a layer; "
        "reference by two behind the head, as the original code does; none: all alike.",
    )
    decay_factor: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Rate of a layer as a share of the layer above; null: by the model's size, "
        "0.9 for large and 0.8 for others.",
    )
    warmup_proportion: float = Field(
        default=0.1, ge=0, le=1, description="Share of the updates that warms the rate up."
    )


class FinetuneTrainConfig(Section):
    """How long, how much at once, how often."""

    epochs: float = Field(default=3.0, gt=0, description="Passes over the training data.")
    batch_size: int = Field(
        default=32, ge=1, description="Rows in an update, over all replicas and accumulation."
    )
    accumulation_steps: int = Field(
        default=1, ge=1, description="Parts an update's batch is computed in, to save memory."
    )
    seed: int = Field(
        default=0,
        ge=0,
        le=2**31 - 1,
        description="Of the first run; decides the head's first weights, order and dropout.",
    )
    seeds: int = Field(
        default=1, ge=1, description="Runs that differ in their seeds alone: seed, seed + 1, …"
    )
    checkpoint_every: int = Field(
        default=500, ge=1, description="Updates between checkpoints, from which a run goes on."
    )
    log_every: int = Field(default=50, ge=1, description="Updates between two logged lines.")

    @property
    def batch_schedule(self) -> None:
        """All updates have as many rows."""


class FinetuneConfig(Root):
    """A whole configuration of `electra finetune`."""

    preset_option: ClassVar[str] = "--task"
    preset_folder: ClassVar[str] = "tasks"

    task: TaskConfig = Field(default_factory=TaskConfig, description="What is learned.")
    optimizer: FinetuneOptimizerConfig = Field(
        default_factory=FinetuneOptimizerConfig, description="Optimizer and schedule."
    )
    train: FinetuneTrainConfig = Field(
        default_factory=FinetuneTrainConfig, description="Length, batch, seeds and intervals."
    )
    runtime: RuntimeConfig = Field(
        default_factory=RuntimeConfig, description="Device and number format."
    )

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        task = self.task
        if len(task.texts) > 2 or not all(task.texts):
            raise ConfigError(
                f"task.text {task.text!r}: one column, or two joined by a comma",
                hint="--text COLUMN, or --text COLUMN,COLUMN",
            )
        names = task.label_names
        if names is not None and (len(set(names)) < len(names) or len(names) < 2):
            raise ConfigError(
                f"task.labels {task.labels!r}: at least two labels, each once",
                hint="--set task.labels=no,yes, for example",
            )
        if task.kind == "regression" and names is not None and not _are_range(names):
            raise ConfigError(
                f"task.labels {task.labels!r}: of a regression the least and the greatest number",
                hint="--set task.labels=0,5, for example",
            )
        if task.double_unordered and len(task.texts) != 2:
            raise ConfigError(
                "task.double_unordered is for pairs, and task.text names one column",
                hint="--text COLUMN,COLUMN, or --set task.double_unordered=false",
            )
        if task.kind == "qa" and task.max_query_length > task.max_length - 4:
            raise ConfigError(
                f"task.max_query_length {task.max_query_length} leaves no room for a context in "
                f"rows of task.max_length {task.max_length}",
                hint=f"--set task.max_query_length={max(1, task.max_length // 4)}",
            )
        check_batch(self.train, replicas=1)
        return self


def _are_range(ends: Sequence[str]) -> bool:
    try:
        least, greatest = map(float, ends)
    except ValueError:
        return False
    return math.isfinite(least) and math.isfinite(greatest) and least != greatest

"""The typed configuration of a run: every key, its type, bounds, default and meaning.

The models are frozen and strict: an integer is accepted where a number is asked for, but text is
never read as a number and true/false never as an integer. The loader (load.py) turns pydantic's
errors into `ConfigError`; checks that join several keys raise `ConfigError` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic.fields import FieldInfo

from electra_cli.config.batches import check_batch
from electra_cli.config.trackers import NO_TRACKER, TRACKERS, TRACKERS_PATTERN, trackers_of
from electra_cli.errors import ConfigError

Precision = Literal["auto", "float32", "bfloat16", "float16"]
Sampling = Literal["reference", "distinct"]
Masking = Literal["token", "whole-word", "span"]
Network = Literal["generator", "discriminator"]
ObjectiveName = Literal["electra", "mlm"]

# What each objective trains. The discriminator, or without one the generator, is the main network,
# whose sizes `model` has; a generator beside a discriminator has those that `generator` gives it.
_NETWORKS: Mapping[ObjectiveName, tuple[Network, ...]] = {
    "electra": ("discriminator", "generator"),
    "mlm": ("generator",),
}


class Section(BaseModel):
    """What all sections have in common: frozen, strict, no unknown keys, no infinities."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, protected_namespaces=()
    )


class DataConfig(Section):
    """What is read."""

    path: str | None = Field(
        default=None, description="Folder that `electra prepare-data` wrote; null: none chosen."
    )
    sequence_length: int = Field(
        default=128, ge=8, description="Tokens in a row, [CLS] and [SEP] included."
    )


class ModelConfig(Section):
    """Sizes of the discriminator (of the only network, where there is none), and what is shared."""

    vocab_size: int = Field(
        default=30522, ge=6, description="Word pieces; the prepared data's manifest replaces it."
    )
    embedding_size: int = Field(
        default=128, ge=1, description="Width of the embeddings, which both networks share."
    )
    hidden_size: int = Field(default=256, ge=1, description="Width of the discriminator.")
    num_layers: int = Field(default=12, ge=1, description="Layers of each of the two networks.")
    num_attention_heads: int = Field(
        default=4, ge=1, description="Attention heads of the discriminator; divides hidden_size."
    )
    intermediate_size: int = Field(
        default=1024, ge=1, description="Width of the discriminator's feed-forward layers."
    )
    hidden_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout after embeddings and layer outputs."
    )
    attention_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="Dropout on attention probabilities."
    )
    max_position_embeddings: int = Field(
        default=512, ge=8, description="Rows of the position table: the longest sequence possible."
    )
    type_vocab_size: int = Field(default=2, ge=2, description="Rows of the segment table.")
    initializer_range: float = Field(
        default=0.02, gt=0, description="Standard deviation of the truncated normal initialiser."
    )


class GeneratorConfig(Section):
    """Size of the generator."""

    size: float = Field(
        default=0.25,
        gt=0,
        description="Generator width as a multiple of model.hidden_size, rounded to the nearest "
        "integer; the number of layers is the discriminator's.",
    )


class ObjectiveConfig(Section):
    """What is learned: the task, what is masked, and how the losses are weighed."""

    name: ObjectiveName = Field(
        default="electra",
        description="electra: a generator fills masks, and the discriminator tells which tokens it "
        "replaced; mlm: masked language modelling with one network of the sizes of model.",
    )
    mask_probability: float = Field(
        default=0.15, gt=0, lt=1, description="Share of a row's tokens that is masked."
    )
    masking: Masking = Field(
        default="token",
        description="What is drawn to be masked: tokens, whole words, or spans of up to ten words.",
    )
    sampling: Sampling = Field(
        default="reference",
        description="How tokens are drawn: reference draws with replacement, as the original code "
        "does; distinct draws every position at most once. Words and spans are always distinct.",
    )
    generator_weight: float = Field(
        default=1.0, ge=0, description="Weight of the masked language modelling loss."
    )
    disc_weight: float = Field(
        default=50.0, ge=0, description="Weight of the replaced token detection loss."
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """What is trained, the main network first."""
        return _NETWORKS[self.name]

    @property
    def masks_words(self) -> bool:
        """Whether masking has to know where words begin."""
        return self.masking != "token"


class AdamConfig(Section):
    """The reference's Adam with decoupled weight decay, and the clipping before it."""

    weight_decay: float = Field(default=0.01, ge=0, description="Decoupled weight decay.")
    beta_1: float = Field(default=0.9, ge=0, lt=1, description="Decay of the first moment.")
    beta_2: float = Field(default=0.999, ge=0, lt=1, description="Decay of the second moment.")
    epsilon: float = Field(
        default=1e-6, gt=0, description="Added to the square root of the second moment."
    )
    clip_norm: float = Field(
        default=1.0, gt=0, description="Largest global gradient norm; above it, it is scaled down."
    )


class OptimizerConfig(AdamConfig):
    """The reference's Adam, and its schedule."""

    learning_rate: float = Field(
        default=5e-4, gt=0, description="Learning rate before warm-up and decay are applied."
    )
    warmup_steps: int = Field(default=10_000, ge=0, description="Updates of linear warm-up.")
    ema_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Decay of the average of weights that is evaluated and exported; 0: none.",
    )


class TrainConfig(Section):
    """How long, how much at once, and what happens how often."""

    steps: int = Field(
        default=1_000_000, ge=1, description="Updates: the horizon of the learning rate schedule."
    )
    batch_size: int = Field(
        default=128, ge=1, description="Rows in an update, over all replicas and accumulation."
    )
    accumulation_steps: int = Field(
        default=1, ge=1, description="Parts an update's batch is computed in, to save memory."
    )
    seed: int = Field(
        default=0, ge=0, le=2**31 - 1, description="Decides initial weights, order, masks, dropout."
    )
    checkpoint_every: int = Field(default=1000, ge=1, description="Updates between checkpoints.")
    keep_checkpoints: int = Field(default=5, ge=1, description="Newest checkpoints that are kept.")
    keep_every: int | None = Field(
        default=None,
        ge=1,
        description="Checkpoints at multiples of it are kept for ever; null: none.",
    )
    best_metric: str | None = Field(
        default=None,
        min_length=1,
        description="Held-out metric whose best checkpoint is kept for ever; null: none.",
    )
    evaluate_every: int = Field(
        default=10_000, ge=1, description="Updates between evaluations of the held-out split."
    )
    log_every: int = Field(default=100, ge=1, description="Updates between two logged lines.")


class RuntimeConfig(Section):
    """Where and in which number format it runs; not part of what is learned."""

    device: str = Field(
        default="auto",
        min_length=1,
        description="auto, cpu, cpu:N, gpu, gpu:I,J, gpu:GPU-…, gpu:MIG-…, mirrored or tpu; in a "
        "cluster what each worker uses.",
    )
    share_device: bool = Field(
        default=False,
        description="Also use a GPU on which another process computes, which is refused otherwise.",
    )
    precision: Precision = Field(
        default="auto", description="Compute type; parameters and losses stay in float32."
    )
    xla: bool | None = Field(
        default=None, description="Compile the whole step with XLA; null: on a GPU."
    )
    tf32: bool = Field(
        default=False,
        description="Let GPUs round the factors of float32 products to TF32, which is faster; of "
        "compute capability 8.0 and later.",
    )
    verify_data: Literal["auto", "full", "size"] = Field(
        default="auto",
        description="What is read of the data before step 1: full, all of it; size, file sizes "
        "alone; auto, full up to 10 GB.",
    )
    stall_timeout: float = Field(
        default=1800.0,
        ge=0,
        description="Seconds in which no loop and no batch of an evaluation has ended, after which "
        "the run ends with exit code 75; 0: never.",
    )
    track: str = Field(
        default="tensorboard",
        description="Where metrics go besides metrics.jsonl, joined by commas: tensorboard, wandb, "
        "mlflow, trackio; none: nowhere.",
        json_schema_extra={"pattern": TRACKERS_PATTERN, "examples": [*TRACKERS, NO_TRACKER]},
    )

    @property
    def trackers(self) -> tuple[str, ...]:
        """The names of `track`."""
        return trackers_of(self.track)

    @field_validator("track")
    @classmethod
    def _check_track(cls, track: str) -> str:
        trackers_of(track)
        return track


class Root(Section):
    """A whole configuration: sections of keys, and the name of the preset that they come from.

    Keys are written in full: section.key, as in train.steps.
    """

    # What names a preset on the command line, and its folder below presets/.
    preset_option: ClassVar[str] = "--preset"
    preset_folder: ClassVar[str] = ""

    preset: str = Field(default="custom", description="Name of the preset, for the record.")

    def replaced(self, values: Mapping[str, Any]) -> Self:
        """Returns a copy with other values, checked again.

        Args:
          values: Full keys and their values, e.g. {"model.vocab_size": 4096}.

        Raises:
          pydantic.ValidationError: An unknown key or a value of the wrong type.
          ConfigError: Values that contradict each other.
        """
        record = self.model_dump()
        for key, value in values.items():
            section, _, name = key.partition(".")
            record[section][name] = value
        return type(self).model_validate(record)


class GeneratorSizes(NamedTuple):
    """Width, attention heads and width of the feed-forward layers of a generator."""

    hidden: int
    heads: int
    intermediate: int

    @classmethod
    def of_width(cls, hidden: int) -> GeneratorSizes:
        """The reference's: heads 64 wide, at least one; feed-forward layers four times as wide."""
        return cls(hidden, max(1, hidden // 64), 4 * hidden)


class Config(Root):
    """A whole configuration of pretraining."""

    data: DataConfig = Field(default_factory=DataConfig, description="What is read.")
    model: ModelConfig = Field(default_factory=ModelConfig, description="Sizes of the model.")
    generator: GeneratorConfig = Field(
        default_factory=GeneratorConfig, description="Size of the generator."
    )
    objective: ObjectiveConfig = Field(
        default_factory=ObjectiveConfig, description="Task, masking and loss weights."
    )
    optimizer: OptimizerConfig = Field(
        default_factory=OptimizerConfig, description="Optimizer and schedule."
    )
    train: TrainConfig = Field(default_factory=TrainConfig, description="Length and intervals.")
    runtime: RuntimeConfig = Field(
        default_factory=RuntimeConfig, description="Device and number format."
    )

    @property
    def generator_sizes(self) -> GeneratorSizes:
        """Sizes of the generator beside a discriminator; the width is the nearest integer.

        So 0.33333 of 768 is 256 (run_pretraining.py of the reference, get_generator_config).
        """
        return GeneratorSizes.of_width(round(self.model.hidden_size * self.generator.size))

    @property
    def max_predictions(self) -> int:
        """Slots for masked positions in a row."""
        return max_predictions(self.objective.mask_probability, self.data.sequence_length)

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        model = self.model
        if model.hidden_size % model.num_attention_heads:
            raise ConfigError(
                f"model.hidden_size {model.hidden_size} is not divisible by "
                f"model.num_attention_heads {model.num_attention_heads}",
                hint=f"--set model.num_attention_heads={_divisor(model.hidden_size)}, for example",
            )
        hidden, heads, _ = self.generator_sizes
        if len(self.objective.networks) > 1 and (hidden < 1 or hidden % heads):
            raise ConfigError(
                f"generator.size {self.generator.size} of model.hidden_size {model.hidden_size} "
                f"gives a generator {hidden} wide, which {heads} heads cannot share",
                hint=f"--set generator.size={max(64, hidden // 64 * 64) / model.hidden_size:g}, "
                "for example: the width is to be a multiple of 64, or below 128",
            )
        if self.data.sequence_length > model.max_position_embeddings:
            raise ConfigError(
                f"data.sequence_length {self.data.sequence_length} is more than "
                f"model.max_position_embeddings {model.max_position_embeddings}",
                hint=f"--set model.max_position_embeddings={self.data.sequence_length}, or --set "
                f"data.sequence_length={model.max_position_embeddings}",
            )
        if self.max_predictions < 1:
            raise ConfigError(
                f"objective.mask_probability {self.objective.mask_probability} masks nothing in "
                f"rows of data.sequence_length {self.data.sequence_length}",
                hint="--set objective.mask_probability=0.15",
            )
        check_batch(self.train, replicas=1)
        return self


def max_predictions(mask_probability: float, sequence_length: int) -> int:
    """How many slots M a row has (configure_pretraining.py: `max_predictions_per_seq`)."""
    return int((mask_probability + 0.005) * sequence_length)


def sections(root: type[Root] = Config) -> dict[str, type[Section]]:
    """Returns the sections of a configuration by name, in the order of the schema."""
    models = {name: field.annotation for name, field in root.model_fields.items()}
    return {
        name: model
        for name, model in models.items()
        if isinstance(model, type) and issubclass(model, Section)
    }


def leaf_fields(root: type[Root] = Config) -> dict[str, FieldInfo]:
    """Returns every key that can be set (section.key) with its type, default and description."""
    return {
        f"{section}.{name}": field
        for section, model in sections(root).items()
        for name, field in model.model_fields.items()
    }


def _divisor(width: int) -> int:
    """The heads that divide a width and come nearest to 64 a head, as the reference has them."""
    divisors = (heads for heads in range(1, width + 1) if width % heads == 0)
    return min(divisors, key=lambda heads: abs(width / heads - 64))

"""The typed configuration of a run: its sections (sections.py), and what joins several keys.

The loader (load.py) turns pydantic's errors into `ConfigError`; checks that join several keys raise
`ConfigError` here and in combinations.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self

from pydantic import Field, model_validator
from pydantic.fields import FieldInfo

from electra_cli.config.rules.batches import check_batch
from electra_cli.config.rules.combinations import check_combinations
from electra_cli.config.sections import (
    DataConfig,
    GeneratorConfig,
    ModelConfig,
    ObjectiveConfig,
    OptimizerConfig,
    RuntimeConfig,
    Section,
    TrainConfig,
)
from electra_cli.errors import ConfigError

_LARGEST = 10**15  # of whatever is counted: sums of them fit into the 64 bits of TensorFlow's steps


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

    @model_validator(mode="after")
    def _check_integers(self) -> Self:
        for section, keys in self.model_dump().items():
            for name, value in keys.items() if isinstance(keys, dict) else ():
                if type(value) is int and value > _LARGEST:
                    raise ConfigError(
                        f"{section}.{name}: expected at most {_LARGEST:,}, got {value}",
                        hint=f"as much as that is never reached; {section}.{name}={_LARGEST} is "
                        "possible",
                    )
        return self


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
    def generator_layers(self) -> int:
        """Layers of the generator beside a discriminator, as the reference rounds: halves to even.

        So 0.5 of 5 is 2 (run_pretraining.py, get_generator_config).
        """
        return round(self.model.num_layers * self.generator.layers)

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
        has_own_sizes = len(self.objective.networks) > 1 and self.generator.sharing != "all"
        if has_own_sizes and (hidden < 1 or hidden % heads):
            raise ConfigError(
                f"generator.size {self.generator.size} of model.hidden_size {model.hidden_size} "
                f"gives a generator {hidden} wide, which {heads} heads cannot share",
                hint=f"--set generator.size={max(64, hidden // 64 * 64) / model.hidden_size:g}, "
                "for example: the width is to be a multiple of 64, or below 128",
            )
        if has_own_sizes and not self.generator_layers:
            raise ConfigError(
                f"generator.layers {self.generator.layers} of model.num_layers "
                f"{model.num_layers} gives a generator without layers",
                hint=f"--set generator.layers={1 / model.num_layers:g}, or more",
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
        check_combinations(self)
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

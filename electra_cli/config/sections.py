"""The sections of the configuration of a pretraining: their keys, types, bounds and defaults.

The models are frozen and strict: an integer is accepted where a number is asked for, but text is
never read as a number and true/false never as an integer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from electra_cli.config.choices import (
    DecayShape,
    Masking,
    Network,
    ObjectiveName,
    Precision,
    Sampling,
    ScheduleName,
    Sharing,
)
from electra_cli.config.rules.trackers import NO_TRACKER, TRACKERS, TRACKERS_PATTERN, trackers_of

# What each objective trains. The discriminator, or without one the generator, is the main network,
# whose sizes `model` has; a generator beside a discriminator has those that `generator` gives it.
_NETWORKS: Mapping[ObjectiveName, tuple[Network, ...]] = {
    "electra": ("discriminator", "generator"),
    "mlm": ("generator",),
    "electric": ("discriminator", "generator"),
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
        default=128,
        ge=1,
        description="Width of the embeddings; both networks share them, "
        "unless generator.sharing says otherwise.",
    )
    hidden_size: int = Field(default=256, ge=1, description="Width of the discriminator.")
    num_layers: int = Field(default=12, ge=1, description="Layers of the discriminator.")
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
    gradient_checkpointing: bool = Field(
        default=False,
        description="Keep of each layer only what enters it, and compute the rest again in the "
        "backward pass: less memory, more time, the same numbers.",
    )
    document_attention: bool = Field(
        default=False,
        description="Tokens attend within their own document alone; for data of --packing full.",
    )


class GeneratorConfig(Section):
    """The generator beside a discriminator: its size, what it shares, and whether it learns."""

    size: float = Field(
        default=0.25,
        gt=0,
        description="Generator width as a multiple of model.hidden_size, rounded to the nearest "
        "integer.",
    )
    layers: float = Field(
        default=1.0,
        gt=0,
        description="Generator layers as a multiple of model.num_layers, rounded to the nearest "
        "integer, halves to the even one.",
    )
    sharing: Sharing = Field(
        default="tied",
        description="What both networks share: tied, all embeddings; none, nothing; all, the whole "
        "encoder; disentangled, the generator's embeddings, to which the discriminator adds a "
        "table of its own and sends no gradient.",
    )
    embedding_size: int | None = Field(
        default=None,
        ge=1,
        description="Width of the generator's own embeddings where sharing is none; null: as wide "
        "as the generator.",
    )
    frozen: str | None = Field(
        default=None,
        min_length=1,
        description="Where the weights of a generator come from that fills masks and learns "
        "nothing: a run folder, a checkpoint or a folder of Hugging Face's; null: it learns.",
    )


class ObjectiveConfig(Section):
    """What is learned: the task, what is masked, and how the losses are weighed."""

    name: ObjectiveName = Field(
        default="electra",
        description="electra: a generator fills masks, and the discriminator tells which tokens it "
        "replaced; mlm: masked language modelling with one network of the sizes of model; "
        "electric: an energy-based cloze model, whose generator reads a text from both ends.",
    )
    mask_probability: float = Field(
        default=0.15,
        gt=0,
        lt=1,
        description="Share of a row's tokens that is masked in training; of held-out rows it is "
        "always 0.15.",
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

    uniform_generator: bool = Field(
        default=False,
        description="Masks are filled with tokens drawn uniformly, without a network.",
    )
    disallow_correct: bool = Field(
        default=False, description="The generator never draws the token that was masked."
    )
    temperature: float = Field(
        default=1.0,
        ge=0.1,  # below, what is never drawn would be, if its logit is 100 above all others
        le=1000,
        description="The generator's logits are divided by it before a token is drawn.",
    )
    temperature_decay_steps: int = Field(
        default=0,
        ge=0,
        description="Updates in which the distance of the temperature to 1 falls to 1/e of what it "
        "was; 0: the temperature stays.",
    )

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks there are, the main network first."""
        found = _NETWORKS[self.name]
        return found[:1] if self.uniform_generator else found

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
    schedule: ScheduleName = Field(
        default="electra",
        description="Learning rate over updates: electra, linear warm-up times linear decay over "
        "the whole run; linear and cosine, a decay behind the warm-up; constant; wsd, constant up "
        "to a decay at the end. All but constant end at 0, and all warm up.",
    )
    decay_steps: int | None = Field(
        default=None,
        ge=1,
        description="Updates of the decay at the end of wsd; null: a tenth of train.steps.",
    )
    decay_shape: DecayShape = Field(
        default="linear", description="How the learning rate falls at the end of wsd."
    )
    ema_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Decay of the average of weights that is evaluated and exported; 0: none.",
    )


class TrainConfig(Section):
    """How long, how much at once, and what happens how often."""

    steps: int | None = Field(
        default=1_000_000,
        ge=1,
        description="Updates: the horizon of the learning rate schedule; null, for the schedules "
        "constant and wsd: no end.",
    )
    batch_size: int = Field(
        default=128, ge=1, description="Rows in an update, over all replicas and accumulation."
    )
    batch_schedule: str | None = Field(
        default=None,
        description="Smaller batches at the beginning, as ROWS:EXAMPLES joined by commas: updates "
        "of ROWS rows until the run has seen EXAMPLES examples; then train.batch_size.",
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

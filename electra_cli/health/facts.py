"""What the rules have to know of a run besides its lines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from electra_cli.config.choices import Masking, Sampling
from electra_cli.config.load import load_config
from electra_cli.config.schema import Config
from electra_cli.corpus.preparation.demo import is_demo_folder
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import ElectraError
from electra_cli.metrics.baselines import uniform_loss

# Of so few updates nothing can be said: a network with a good rate has hardly moved.
_FIRST_UPDATES = 200


@dataclass(frozen=True)
class Facts:
    """Of configuration, preset and manifest; None for what is not known.

    Attributes:
      has_discriminator: Whether there is one (not with objective mlm).
      vocab_size: Word pieces.
      sequence_length: Tokens of a row.
      mask_probability: Share of a row's tokens that is masked in training.
      sampling: How these are drawn.
      masking: What is drawn.
      steps: Updates of the whole run; None for no end.
      warmup_steps: Those of them that warm up.
      batch_size: Rows of an update, of the last one where they grow.
      batch_schedule: Other sizes before it.
      learning_rate: Before warm-up and decay.
      clip_norm: The largest gradient norm.
      preset: The preset's name.
      preset_rate: The preset's own learning rate.
      preset_batch: The preset's own batch.
      examples: Rows to train on.
      validation_examples: Rows held out.
      padding_share: Padding, of all positions of rows; None for the demo corpus, which nobody is
        to prepare in another way.
      dropped_share: Tokens that the sequence length cut off, of all.
      unigram_loss: Loss of guessing by frequency, in nats a token.
      has_generator: Whether a network learns to fill masks (not with a uniform generator, or with
        one that is frozen).
      is_electric: Whether a token that was drawn counts as replaced even if it is the right one.
      former: What held before each change on the way, the newest first, with the change's step.
    """

    has_discriminator: bool
    vocab_size: int
    sequence_length: int
    mask_probability: float
    sampling: Sampling
    masking: Masking
    steps: int | None
    warmup_steps: int
    batch_size: int
    learning_rate: float
    clip_norm: float
    batch_schedule: str | None = None
    preset: str = ""
    preset_rate: float | None = None
    preset_batch: int | None = None
    examples: int | None = None
    validation_examples: int | None = None
    padding_share: float | None = None
    dropped_share: float | None = None
    unigram_loss: float | None = None
    has_generator: bool = True
    is_electric: bool = False
    former: tuple[tuple[int, Facts], ...] = ()

    @classmethod
    def of(
        cls,
        config: Config,
        manifest: Manifest | None,
        former: Iterable[tuple[int, Config]] = (),
    ) -> Facts:
        """The facts of a run.

        Args:
          config: Its configuration.
          manifest: Of its data; None if that is not known.
          former: Its configuration before each change, as `runs.changes.former_configs` has it.
        """
        objective, optimizer, train = config.objective, config.optimizer, config.train
        preset = _preset_of(config)
        facts = cls(
            has_discriminator="discriminator" in objective.networks,
            vocab_size=config.model.vocab_size,
            sequence_length=config.data.sequence_length,
            mask_probability=objective.mask_probability,
            sampling=objective.sampling,
            masking=objective.masking,
            steps=train.steps,
            warmup_steps=optimizer.warmup_steps,
            batch_size=train.batch_size,
            batch_schedule=train.batch_schedule,
            learning_rate=optimizer.learning_rate,
            clip_norm=optimizer.clip_norm,
            preset=config.preset,
            preset_rate=None if preset is None else preset.optimizer.learning_rate,
            preset_batch=None if preset is None else preset.train.batch_size,
            has_generator="generator" in objective.networks and config.generator.frozen is None,
            is_electric=objective.name == "electric",
            former=tuple((step, cls.of(before, manifest)) for step, before in former),
        )
        if manifest is None:
            return facts
        is_demo = config.data.path is not None and is_demo_folder(Path(config.data.path))
        return facts._with(manifest, is_demo=is_demo)

    def _with(self, manifest: Manifest, *, is_demo: bool) -> Facts:
        counts, baselines = manifest.counts, manifest.baselines
        return replace(
            self,
            examples=manifest.examples,
            validation_examples=manifest.validation_examples,
            padding_share=None if is_demo else manifest.padding_share,
            dropped_share=counts.dropped_tokens / max(1, counts.tokens),
            unigram_loss=None if baselines is None else baselines.unigram_entropy,
        )

    @property
    def uniform_loss(self) -> float:
        """Loss of holding every word piece for equally likely, in nats a token."""
        return uniform_loss(self.vocab_size)

    @property
    def settled_step(self) -> int:
        """From here on a healthy run has learned something."""
        return self.warmup_steps + _FIRST_UPDATES


def _preset_of(config: Config) -> Config | None:
    """The preset that a run was made from; None for a file of somebody's own."""
    try:
        return load_config(preset=config.preset, environment={}).config
    except ElectraError:
        return None

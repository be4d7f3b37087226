"""What every objective has: a forward pass, and terms that say what is made of its outputs.

A new objective needs `terms` and `forward`; what a step reports, what is shown, and what a
validation adds up and names follows from these. TensorFlow and NumPy are imported where there are
numbers, since commands read the names before they are there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from electra_cli.config.sections import ObjectiveConfig
from electra_cli.errors import DataError
from electra_cli.metrics.names import BANDS
from electra_cli.objectives.terms import Term

if TYPE_CHECKING:
    import tensorflow as tf
    import tf_keras

    from electra_cli.metrics.breakdown import Flags
    from electra_cli.metrics.validation import ValidationState
    from electra_cli.modeling.dropout import Dropout
    from electra_cli.modeling.electra import ElectraModel

    Tensors = Mapping[str, tf.Tensor]


class Objective(ABC):
    """One way to pretrain.

    Args:
      settings: The section `objective` of a configuration.

    Attributes:
      total: Name of the loss whose gradient is taken.
      terms: The losses it is made of, each with what is measured beside it.
    """

    total: ClassVar[str] = "total_loss"
    terms: Sequence[Term]

    def __init__(self, settings: ObjectiveConfig) -> None:
        self.settings = settings

    @abstractmethod
    def forward(
        self, model: ElectraModel, features: dict[str, tf.Tensor], dropout: Dropout | None
    ) -> dict[str, tf.Tensor]:
        """The outputs of the heads, by name: everything that the terms need.

        Args:
          model: Has the networks that config/sections.py names for this objective.
          features: What `inputs.masking.mask_tokens` returns.
          dropout: The masks of this pass; None while nothing is trained: then there is no dropout,
            and tokens are drawn as of every run, whatever it trains with.
        """

    def batch_features(
        self, features: Tensors, special_ids: Mapping[str, int], mask_probability: float
    ) -> dict[str, tf.Tensor]:
        """The features of a batch, with what the objective reads of it besides.

        Args:
          features: What `inputs.masking.mask_tokens` returns.
          special_ids: The ids of cls, sep and mask.
          mask_probability: Share of the tokens that is masked.

        Returns:
          The same and new columns, each with an entry a row.
        """
        del special_ids, mask_probability
        return dict(features)

    def step_features(self, features: Tensors, step: tf.Tensor) -> dict[str, tf.Tensor]:
        """The features of a training step, with what depends on the step besides.

        Args:
          features: Of the batch.
          step: How many updates were before, scalar integer.

        Returns:
          The same and new columns, each with an entry a row: batches are cut into parts.
        """
        del step
        return dict(features)

    def remark(self, before: Mapping[str, float], after: Mapping[str, float]) -> str:
        """Why numbers became worse from one evaluation to the next without a fault, or ''."""
        del before, after
        return ""

    # -- names -----------------------------------------------------------------------------------

    @property
    def weights(self) -> dict[str, float]:
        """The losses by name, each with its weight in the total."""
        return {term.names["loss"]: term.weight for term in self.terms}

    @property
    def losses(self) -> tuple[str, ...]:
        """What a step reports: the total and its parts."""
        return (self.total, *self.weights)

    @property
    def labels(self) -> dict[str, str]:
        """What a line of progress calls each loss."""
        return {self.total: "loss"} | {term.names["loss"]: term.label for term in self.terms}

    @property
    def metrics(self) -> tuple[str, ...]:
        """The metrics of a validation, in the order in which they are shown."""
        return (self.total, *(name for term in self.terms for name in term.names.values()))

    @property
    def step_metrics(self) -> tuple[str, ...]:
        """Those that are also Keras metrics of single steps."""
        corpus_only = {term.names[key] for term in self.terms for key in term.corpus_only}
        return tuple(name for name in self.metrics if name not in corpus_only)

    @property
    def breakdowns(self) -> tuple[str, ...]:
        """One metric of each term again, by groups of tokens."""
        return tuple(f"{term.names[term.broken_down]}/{b}" for term in self.terms for b in BANDS)

    # -- losses ----------------------------------------------------------------------------------

    def counts(self, features: Tensors) -> dict[str, tf.Tensor]:
        """How many elements each loss is a mean over, in this batch; float32 scalars by name."""
        return {term.names["loss"]: term.count(features) for term in self.terms}

    def sums(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """Each loss summed over the elements of this batch; float32 scalars by name."""
        return {term.names["loss"]: term.sum(features, outputs) for term in self.terms}

    def mean_losses(
        self, features: Tensors, outputs: Tensors, counts: Tensors
    ) -> dict[str, tf.Tensor]:
        """The total and its parts, each this batch's share of the global batch's.

        Args:
          features: A batch, or part of one.
          outputs: Of `forward`.
          counts: Of the global batch.

        Returns:
          Float32 scalars under the names of `losses`.
        """
        from electra_cli.modeling.losses import mean

        means = {
            name: mean(total, counts[name]) for name, total in self.sums(features, outputs).items()
        }
        first, *rest = (weight * means[name] for name, weight in self.weights.items())
        return {self.total: sum(rest, start=first)} | means

    def check_labels(self, labels: Tensors, outputs: Tensors) -> None:
        """Compares labels with the outputs they belong to, while tracing.

        Raises:
          DataError: A label is missing or has the wrong shape or type.
        """
        from electra_cli.modeling import losses

        for term in self.terms:
            shape = outputs[term.output].shape[:2]  # [B, N]
            losses.check_labels(labels, term.labels, shape)

    # -- metrics ---------------------------------------------------------------------------------

    def validation_logs(self, features: Tensors, outputs: Tensors) -> dict[str, tf.Tensor]:
        """What `new_validation` adds up: arrays of tokens by name."""
        logs = {key: features[key] for key in ("input_ids", "input_mask")}
        for term in self.terms:
            logs |= term.logs(features, outputs)
        return logs

    def new_validation(
        self, vocab_size: int, continuations: Flags | None = None
    ) -> ValidationState:
        """Empty sums over a validation set; the arguments are those of `ValidationState`."""
        from electra_cli.metrics.validation import LossPart, ValidationState

        parts = [
            LossPart(term.token_sums(), term.names, term.names[term.broken_down], term.weight)
            for term in self.terms
        ]
        return ValidationState(self.total, parts, vocab_size, continuations)

    def keras_metrics(self) -> list[tf_keras.metrics.Metric]:
        """Fresh Keras metrics under the names of `step_metrics`."""
        from electra_cli.metrics import step

        found = [step.WeightedSum(self.total, [term.weight for term in self.terms])]
        for term in self.terms:
            found += [
                step.metric(key, name)
                for key, name in term.names.items()
                if key not in term.corpus_only
            ]
        return found

    def update_keras_metrics(
        self, metrics: Sequence[tf_keras.metrics.Metric], logs: Tensors
    ) -> None:
        """Adds the tokens of one step.

        Args:
          metrics: At least those of `keras_metrics`; others are left alone.
          logs: What `validation_logs` returned.

        Raises:
          DataError: One of the names is missing among the metrics.
        """
        by_name = {metric.name: metric for metric in metrics}
        missing = [name for name in self.step_metrics if name not in by_name]
        if missing:
            raise DataError(
                f"the metrics {', '.join(sorted(by_name)) or '(none)'} lack {', '.join(missing)}",
                hint="pass what build_metrics() returned, whole",
            )
        losses: list[Any] = []
        for term in self.terms:
            found = term.step_sums(logs)
            losses.append(found["loss"])
            for key, values in found.items():
                by_name[term.names[key]].update_state(*values)
        by_name[self.total].update_state(*losses)

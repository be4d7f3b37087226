"""ElectraPretrainTask: the seam between our ELECTRA and Model Garden's training machinery.

The interface is that of `official.core.base_task.Task`; model, masking, losses and metrics are
ours. Shapes: B rows of a replica, S sequence, M masked positions, V vocabulary.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras
from official.core import base_task, task_factory
from official.core import config_definitions as cfg
from official.modeling import optimization

from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.wordpiece.vocabulary import continuations, load_vocabulary
from electra_cli.inputs import masking, rows
from electra_cli.inputs.batch import checked_batch
from electra_cli.interop import model_garden, weights
from electra_cli.interop.task_config import ElectraDataConfig, ElectraTaskConfig
from electra_cli.metrics import step as step_metrics
from electra_cli.metrics.validation import ValidationState
from electra_cli.modeling import losses
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.electra import ElectraModel
from electra_cli.optimization.accumulation import accumulate, side_by_side
from electra_cli.optimization.average import WeightAverage
from electra_cli.optimization.update import apply_if_finite, learning_rate_of, loss_scaling

# Validation draws its masks and samples from this constant and the example alone, so that every
# checkpoint of every run meets the same ones.
_VALIDATION_SEED = 20200323

_SUM = tf.distribute.ReduceOp.SUM


@task_factory.register_task_cls(ElectraTaskConfig)
class ElectraPretrainTask(base_task.Task):
    """Replaced token detection with a jointly trained generator (Clark et al. 2020).

    Args:
      params: An `ElectraTaskConfig`, or Model Garden's own `ElectraPretrainConfig`.
      logging_dir: Where a trainer writes its logs.
      name: Of the task.

    Raises:
      ConfigError: Something in Model Garden's configuration that our model does not have.
    """

    def __init__(
        self, params: Any, logging_dir: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(params, logging_dir, name=name)
        self._settings, self._architecture, self._special_ids = model_garden.described(params)
        self._lanes = getattr(params, "lanes", 1)  # Model Garden's own has none

    # -- what Model Garden builds ----------------------------------------------------------------

    def build_model(self) -> tf_keras.Model:
        """The joint model; its compute type is that of the global Keras policy."""
        policy = tf_keras.mixed_precision.global_policy()
        return ElectraModel(self._architecture, compute_dtype=policy.compute_dtype)

    def initialize(self, model: tf_keras.Model) -> weights.Report | None:
        """Fills a model with what `init_checkpoint` names, and reports what is not there.

        Returns and errors are those of `interop.weights.initialize`.
        """
        return weights.initialize(model, self.task_config.init_checkpoint)

    def build_inputs(
        self, params: ElectraDataConfig, input_context: tf.distribute.InputContext | None = None
    ) -> tf.data.Dataset:
        """Batches of prepared rows.

        Args:
          params: Which split, and the global batch size.
          input_context: Which of several pipelines this one is.

        Returns:
          input_ids [B, S] int32, example_index [B] int64, step [B] int64 and, if words are masked,
          word_starts [B, S] bool, B a replica's share; for a task with Model Garden's own
          configuration, its statically masked records.

        Raises:
          DataError: The folder is not prepared data.
        """
        if model_garden.is_theirs(self.task_config):
            return model_garden.dataset(params, input_context)
        manifest = load_manifest(Path(params.input_path))
        share = rows.Share.from_context(params.global_batch_size, input_context)
        words = self._settings.objective.masks_words
        if not params.is_training:
            return rows.validation_dataset(manifest, share, word_starts=words)
        seed, step = self._settings.train.seed, params.start_step
        return rows.training_dataset(manifest, share, seed=seed, start_step=step, word_starts=words)

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Keras metrics under the names of STEP_METRICS, for the steps they are given to.

        `aggregate_logs` does not need them: it has exact numbers under these names and more.
        """
        del training
        objective = self._settings.objective
        return step_metrics.build(objective.generator_weight, objective.disc_weight)

    def process_metrics(
        self,
        metrics: Sequence[tf_keras.metrics.Metric],
        labels: Mapping[str, tf.Tensor],
        model_outputs: Mapping[str, tf.Tensor],
        **kwargs: Any,
    ) -> None:
        """Adds the tokens of one step to what `build_metrics` returned.

        Raises:
          DataError: A label is missing or has the wrong shape or type, or a metric is missing.
        """
        losses.check_labels(labels, model_outputs)
        step_metrics.update(metrics, step_metrics.token_logs(labels, model_outputs))

    def process_compiled_metrics(
        self,
        compiled_metrics: Any,
        labels: Mapping[str, tf.Tensor],
        model_outputs: Mapping[str, tf.Tensor],
    ) -> None:
        """Updates metrics a model was compiled with, by output: masked_lm_logits and disc_logits.

        Only masked positions and real tokens count.
        """
        compiled_metrics.update_state(
            {
                "masked_lm_logits": labels["masked_lm_ids"],
                "disc_logits": model_outputs["disc_labels"],
            },
            {name: model_outputs[name] for name in ("masked_lm_logits", "disc_logits")},
            {
                "masked_lm_logits": labels["masked_lm_weights"],
                "disc_logits": tf.cast(labels["input_mask"], tf.float32),
            },
        )

    def _process(self, metrics: Any, model: tf_keras.Model, labels: Any, outputs: Any) -> None:
        if metrics:
            self.process_metrics(metrics, labels, outputs)
        if model.compiled_metrics is not None:
            self.process_compiled_metrics(model.compiled_metrics, labels, outputs)

    def build_losses(
        self,
        labels: Mapping[str, tf.Tensor],
        model_outputs: Mapping[str, tf.Tensor],
        metrics: Any = None,
        aux_losses: Any = None,
    ) -> tf.Tensor:
        """The total loss; a replica's share of it where there are several.

        Args:
          labels: masked_lm_ids, masked_lm_weights [B, M] and input_mask [B, S].
          model_outputs: masked_lm_logits [B, M, V], disc_logits and disc_labels [B, S].
          metrics: Not used.
          aux_losses: Scalars to add.

        Returns:
          Scalar float32.

        Raises:
          DataError: A label is missing or has the wrong shape or type.
        """
        del metrics
        losses.check_labels(labels, model_outputs)
        counts = losses.global_counts(labels)
        objective = self._settings.objective
        found = losses.weighted_losses(labels, model_outputs, counts, objective)
        return tf.add_n([found["total_loss"], *(aux_losses or [])])

    def _features(
        self, inputs: Mapping[str, tf.Tensor], *, training: bool, step: Any = 0
    ) -> masking.Features:
        """Masks a batch; batches that bring their own masks and samples stay as they are."""
        inputs = checked_batch(inputs, self._architecture.vocab_size)
        if "input_word_ids" in inputs:
            return model_garden.features_of(
                inputs,
                seed=tf.constant(self._settings.train.seed if training else _VALIDATION_SEED),
                step=tf.cast(step if training else 0, tf.int64),
                first_row=_replica_id() * tf.shape(inputs["input_word_ids"], tf.int64)[0],
            )
        if "masked_lm_positions" in inputs:
            return dict(inputs)
        objective = self._settings.objective
        return masking.mask_tokens(
            masking.rows_to_features(inputs["input_ids"], self._special_ids["sep"]),
            seed=tf.constant(self._settings.train.seed if training else _VALIDATION_SEED, tf.int64),
            step=inputs["step"][0] if training else tf.zeros([], tf.int64),
            examples=inputs["example_index"],
            mask_probability=objective.mask_probability,
            sampling=objective.sampling,
            special_ids=self._special_ids,
            masking=objective.masking,
            word_starts=inputs.get("word_starts"),
        )

    @classmethod
    def create_optimizer(
        cls,
        optimizer_config: optimization.OptimizationConfig,
        runtime_config: cfg.RuntimeConfig | None = None,
        dp_config: Any = None,
    ) -> tf_keras.optimizers.legacy.Optimizer:
        """The optimizer of a Model Garden configuration: average(loss scale(optimizer)).

        Args:
          optimizer_config: Names ours (`electra_adamw`, schedule `electra`) or one of Model
            Garden's, and an average of the weights.
          runtime_config: float16 brings a loss scale.
          dp_config: Clips the gradient of the whole batch and adds noise to it, as Model Garden
            does. This is not DP-SGD: without clipping each example's gradient there is no privacy
            guarantee for an example.
        """
        plain = optimizer_config.replace(ema=None)
        optimizer = super().create_optimizer(plain, runtime_config, dp_config)
        if optimizer_config.ema is None:
            return optimizer
        return WeightAverage(optimizer, **optimizer_config.ema.as_dict())

    # -- a training step -------------------------------------------------------------------------

    def train_step(
        self,
        inputs: Mapping[str, tf.Tensor],
        model: ElectraModel,
        optimizer: tf_keras.optimizers.legacy.Optimizer,
        metrics: Any = None,
    ) -> dict[str, tf.Tensor]:
        """One update from one global batch.

        The gradients of replicas and micro-batches are sums over their parts of the global loss;
        clipping sees the gradient of the global batch. A step whose loss or gradient is not finite
        changes no weight, slot or average, and counts as a step.

        Args:
          inputs: Rows of `build_inputs`, this replica's share.
          model: What `build_model` made.
          optimizer: Any optimizer; a loss-scale optimizer for float16.
          metrics: What `build_metrics` returned, or nothing.

        Returns:
          Scalars of the global batch, the same on every replica: loss, total_loss,
          masked_lm_loss, disc_loss, gradient_norm (before clipping), learning_rate, and whether
          the update was `applied` and whether float16 `overflowed` while its scale was searched.
        """
        replica = tf.distribute.get_replica_context()
        features = self._features(inputs, training=True, step=optimizer.iterations)
        counts = losses.global_counts(features)
        step = inputs["step"][0] if "step" in inputs else optimizer.iterations
        objective, parts = self._settings.objective, self._settings.train.accumulation_steps
        scaling = loss_scaling(optimizer)
        variables = model.trainable_variables
        first_part = _replica_id() * parts

        def of_lane(
            part: tf.Tensor, lane: tf.Tensor, batch: Mapping[str, tf.Tensor]
        ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
            seed = tf.constant(self._settings.train.seed, tf.int64)
            dropout = Dropout(seed, step, first_part + tf.cast(part, tf.int64), lane)
            with tf.GradientTape() as tape:
                outputs = model(batch, training=True, dropout=dropout)
                found = losses.weighted_losses(batch, outputs, counts, objective)
                self._process(metrics, model, batch, outputs)
                scaled = found["total_loss"]
                if scaling is not None:
                    scaled = scaling.get_scaled_loss(scaled)
            # Slices of the word table become dense: its norm must count each row once.
            gradients = [tf.convert_to_tensor(g) for g in tape.gradient(scaled, variables)]
            return gradients, found

        def forward_backward(
            part: tf.Tensor, batch: Mapping[str, tf.Tensor]
        ) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
            of_part = functools.partial(of_lane, part)
            gradients, found = zip(*side_by_side(of_part, batch, self._lanes), strict=True)
            summed = [tf.add_n(list(of_variable)) for of_variable in zip(*gradients, strict=True)]
            return summed, {name: tf.add_n([of[name] for of in found]) for name in found[0]}

        if self._settings.runtime.xla:
            forward_backward = tf.function(forward_backward, jit_compile=True, autograph=False)
        if parts == 1:
            gradients, found = forward_backward(tf.zeros([], tf.int32), features)
        else:
            names = ["total_loss", "masked_lm_loss", "disc_loss"]
            names += ["next_sentence_loss"] * (self._architecture.next_sentence is not None)
            gradients, found = accumulate(forward_backward, features, parts, variables, names)
        gradients, found = replica.all_reduce(_SUM, (gradients, found))
        if scaling is not None:
            gradients = scaling.get_unscaled_gradients(gradients)
        norm = tf.linalg.global_norm(gradients)
        clipped, _ = tf.clip_by_global_norm(
            gradients, self._settings.optimizer.clip_norm, use_norm=norm
        )
        rate = tf.identity(learning_rate_of(optimizer))  # of this update, read before it
        with tf.control_dependencies([rate]):
            verdict = apply_if_finite(
                optimizer, clipped, variables, loss=found["total_loss"], norm=norm
            )
        return found | {
            self.loss: found["total_loss"],
            "gradient_norm": norm,
            "learning_rate": rate,
            "applied": verdict.applied,
            "overflowed": verdict.overflowed,
        }

    # -- validation ------------------------------------------------------------------------------

    def inference_step(self, inputs: Mapping[str, tf.Tensor], model: ElectraModel) -> Any:
        """The forward pass without dropout, on a batch of `build_inputs` or on its features."""
        if "sample_uniforms" not in inputs and "sampled_ids" not in inputs:
            inputs = self._features(inputs, training=False)

        def of_lane(lane: tf.Tensor, features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            del lane
            return model(features, training=False)

        outputs = side_by_side(of_lane, inputs, self._lanes)
        return {name: tf.concat([of[name] for of in outputs], axis=0) for name in outputs[0]}

    def validation_step(
        self, inputs: Mapping[str, tf.Tensor], model: ElectraModel, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """The tokens of one batch as `metrics.validation` wants them.

        Args:
          inputs: Rows of `build_inputs`; rows that are all padding count nowhere.
          model: What `build_model` made.
          metrics: What `build_metrics` returned, or nothing.

        Returns:
          [B, M] and [B, S] tensors under the names of MASKED_LM_LOGS and DISC_LOGS, and the scalar
          loss.
        """
        features = self._features(inputs, training=False)
        outputs = self.inference_step(features, model)
        self._process(metrics, model, features, outputs)
        loss = self.build_losses(features, outputs)
        return step_metrics.corpus_logs(features, outputs) | {self.loss: loss}

    def aggregate_logs(
        self, state: ValidationState | None = None, step_logs: Mapping[str, Any] | None = None
    ) -> ValidationState:
        """Adds one validation step to the corpus' sums.

        Args:
          state: What the last call returned; None at the start.
          step_logs: What `validation_step` returned; a value may be a tuple with one tensor a
            replica.

        Returns:
          The state, which takes the same memory however long the validation set is.
        """
        if state is None:
            objective = self._settings.objective
            state = ValidationState(
                generator_weight=objective.generator_weight,
                disc_weight=objective.disc_weight,
                vocab_size=self._architecture.vocab_size,
                continuations=self._continuations(),
            )
        if step_logs:
            state.add(step_logs)
        return state

    def _continuations(self) -> np.ndarray | None:
        """[V], which word pieces continue a word; None where there is no prepared data to ask."""
        folder = self.task_config.validation_data.input_path
        if not folder or model_garden.is_theirs(self.task_config):
            return None
        return np.array(continuations(load_vocabulary(load_manifest(Path(folder)).vocab_path)))

    def reduce_aggregated_logs(
        self, aggregated_logs: ValidationState, global_step: tf.Tensor | None = None
    ) -> dict[str, float]:
        """The metrics of the whole validation set, by name."""
        del global_step
        return aggregated_logs.result()


def _replica_id() -> tf.Tensor:
    """Which replica this is, scalar int64; 0 outside of a strategy's replicas."""
    context = tf.distribute.get_replica_context()
    return tf.cast(context.replica_id_in_sync_group if context else 0, tf.int64)

"""ElectraPretrainTask: the seam between our pretraining and Model Garden's training machinery.

The interface is that of `official.core.base_task.Task`; model, masking, losses and metrics are
ours. Shapes: B rows of a replica, S sequence, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
import tf_keras
from official.core import base_task, task_factory
from official.core import config_definitions as cfg
from official.modeling import optimization

from electra_cli.config.rules.batches import Stretch, stretches
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.documents import check_documents
from electra_cli.corpus.shards.manifest import Manifest, load_manifest
from electra_cli.corpus.subword.open import continues_word
from electra_cli.errors import ConfigError
from electra_cli.inputs import masking, rows
from electra_cli.inputs.batch import checked_batch
from electra_cli.interop import weights
from electra_cli.interop.frozen import find_generator
from electra_cli.interop.task_config import ElectraDataConfig, ElectraTaskConfig, plain
from electra_cli.metrics.validation import ValidationState
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.losses import over_replicas
from electra_cli.objectives import objective_of
from electra_cli.optimization.average import WeightAverage
from electra_cli.tasks.masked import mask_probability, masked_features, seed_of
from electra_cli.tasks.sentences import SentenceCollector
from electra_cli.tasks.step import StepSettings, outputs_of_lanes, step_of_batch, whole


@task_factory.register_task_cls(ElectraTaskConfig)
class ElectraPretrainTask(base_task.Task):
    """Pretraining by any objective on prepared rows.

    Args:
      params: An `ElectraTaskConfig`.
      logging_dir: Where a trainer writes its logs.
      name: Of the task.

    Attributes:
      objective: What is learned.
      sentences: Rows of the newest evaluation; none without prepared data.
    """

    def __init__(
        self, params: Any, logging_dir: str | None = None, name: str | None = None
    ) -> None:
        super().__init__(params, logging_dir, name=name)
        self._settings, self._architecture = self.described(params)
        self._special_ids = dict(plain(getattr(params, "special_ids", {})))
        self._lanes = getattr(params, "lanes", 1)
        self.objective = objective_of(self._settings.objective)
        self.sentences = SentenceCollector(0, ())

    @property
    def total(self) -> str:
        """Name of the loss whose gradient is taken."""
        return self.objective.total

    @property
    def losses(self) -> tuple[str, ...]:
        """What a training step reports, beside what its update does."""
        return self.objective.losses

    @staticmethod
    def described(params: Any) -> tuple[Config, Architecture]:
        """Settings and sizes that a task configuration asks for.

        Raises:
          ConfigError: It is not an `ElectraTaskConfig`.
        """
        if not hasattr(params, "settings"):
            raise ConfigError(
                f"ElectraPretrainTask takes an ElectraTaskConfig, not {type(params).__name__}",
                hint="electra_cli.tasks.model_garden.StaticRecordsTask takes Model Garden's "
                "ElectraPretrainConfig",
            )
        config = Config.model_validate({k: plain(v) for k, v in plain(params.settings).items()})
        return config, Architecture.of(config)

    # -- what Model Garden builds ----------------------------------------------------------------

    def build_model(self) -> tf_keras.Model:
        """The model of the objective; its compute type is that of the global Keras policy."""
        policy = tf_keras.mixed_precision.global_policy()
        return ElectraModel(
            self._architecture,
            forward=self.objective.forward,
            compute_dtype=policy.compute_dtype,
        )

    def initialize(self, model: tf_keras.Model) -> weights.Report | None:
        """Fills a model with what `init_checkpoint` names, and reports what is not there.

        A generator that learns nothing has the weights of `generator.frozen`. Returns and errors
        are those of `interop.weights.initialize`.
        """
        if (frozen := self._settings.generator.frozen) is not None:
            weights.load_generator(model, find_generator(Path(frozen)))
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
          word_starts [B, S] bool, B a replica's share.

        Raises:
          DataError: The folder is not prepared data, or its rows do not say where documents end
            and the model is to attend within these.
          ConfigError: The batch is of another size than `train.batch_schedule` has there.
        """
        manifest = load_manifest(Path(params.input_path))
        if self._settings.model.document_attention:
            check_documents(manifest)
        share = rows.Share.from_context(params.global_batch_size, input_context)
        words = self._settings.objective.masks_words
        if not params.is_training:
            return rows.validation_dataset(manifest, share, word_starts=words)
        train, step = self._settings.train, params.start_step
        return rows.training_dataset(
            manifest,
            share,
            seed=train.seed,
            start_step=step,
            stretch=rows.stretch_of(train, share, step),
            word_starts=words,
        )

    @property
    def stretches(self) -> tuple[Stretch, ...]:
        """The sizes of batches in the order in which a trainer has to ask for them."""
        return stretches(self._settings.train)

    def build_metrics(self, training: bool = True) -> list[tf_keras.metrics.Metric]:
        """Keras metrics under the names of `objective.step_metrics`, for trainers that want them.

        `aggregate_logs` does not need them: it has exact numbers under these names and more.
        """
        del training
        return self.objective.keras_metrics()

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
        self.objective.check_labels(labels, model_outputs)
        logs = self.objective.validation_logs(labels, model_outputs)
        self.objective.update_keras_metrics(metrics, logs)

    def process_compiled_metrics(
        self,
        compiled_metrics: Any,
        labels: Mapping[str, tf.Tensor],
        model_outputs: Mapping[str, tf.Tensor],
    ) -> None:
        """Updates metrics a model was compiled with, by output of a head, such as disc_logits.

        Only what the loss is a mean over counts.
        """
        terms, known = self.objective.terms, {**labels, **model_outputs}
        compiled_metrics.update_state(
            {term.output: known[term.target] for term in terms},
            {term.output: known[term.output] for term in terms},
            {term.output: tf.cast(labels[term.mask], tf.float32) for term in terms},
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
          labels: Those that the objective's terms need; the features of a batch hold them.
          model_outputs: Of the model.
          metrics: Not used.
          aux_losses: Scalars to add.

        Returns:
          Scalar float32.

        Raises:
          DataError: A label is missing or has the wrong shape or type.
        """
        del metrics
        self.objective.check_labels(labels, model_outputs)
        counts = over_replicas(self.objective.counts(labels))
        found = self.objective.mean_losses(labels, model_outputs, counts)
        return tf.add_n([found[self.objective.total], *(aux_losses or [])])

    def _features(
        self, inputs: Mapping[str, tf.Tensor], *, training: bool, step: Any = 0
    ) -> masking.Features:
        """Masks a batch; batches that bring their own masks and samples stay as they are."""
        features = checked_batch(inputs, self._architecture.vocab_size)
        if "masked_lm_positions" not in features:
            features = masked_features(
                features,
                self._settings,
                self._special_ids,
                training=training,
            )
        share = mask_probability(self._settings, training=training)
        return self.objective.batch_features(features, self._special_ids, share)

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
        """One update from one global batch; see `tasks.step.step_of_batch`.

        Args:
          inputs: Rows of `build_inputs`, this replica's share.
          model: What `build_model` made.
          optimizer: Any optimizer; a loss-scale optimizer for float16.
          metrics: What `build_metrics` returned, or nothing.

        Returns:
          Scalars of the global batch, the same on every replica: loss, those of
          `objective.losses`, and what `optimization.update.update` returns.
        """
        xla = bool(self._settings.runtime.xla)
        step = inputs["step"][0] if "step" in inputs else optimizer.iterations

        def masking_step(rows: Mapping[str, tf.Tensor]) -> Any:
            features = self._features(rows, training=True, step=optimizer.iterations)
            return self.objective.step_features(features, step), self.objective.counts(features)

        features, counts = whole(masking_step, xla)(dict(inputs))
        counts = over_replicas(counts)

        def losses(batch: Mapping[str, tf.Tensor], dropout: Dropout) -> dict[str, tf.Tensor]:
            outputs = model(batch, training=True, dropout=dropout)
            found = self.objective.mean_losses(batch, outputs, counts)
            self._process(metrics, model, batch, outputs)
            return found

        found = step_of_batch(
            features,
            losses,
            total=self.total,
            names=self.losses,
            model=model,
            optimizer=optimizer,
            seed=seed_of(self._settings, training=True),
            step=step,
            settings=StepSettings(
                parts=self._settings.train.accumulation_steps,
                lanes=self._lanes,
                xla=xla,
                clip_norm=self._settings.optimizer.clip_norm,
            ),
        )
        return found | {self.loss: found[self.total]}

    # -- validation ------------------------------------------------------------------------------

    def inference_step(self, inputs: Mapping[str, tf.Tensor], model: ElectraModel) -> Any:
        """The forward pass without dropout, on a batch of `build_inputs` or on its features."""
        if "masked_input_ids" not in inputs:
            inputs = self._features(inputs, training=False)

        return outputs_of_lanes(lambda part: model(part, training=False), inputs, self._lanes)

    def validation_logs(
        self, inputs: Mapping[str, tf.Tensor], model: ElectraModel
    ) -> dict[str, tf.Tensor]:
        """What `validation_step` returns, without the loss of the batch."""
        features = self._features(inputs, training=False)
        return self.objective.validation_logs(features, self.inference_step(features, model))

    def validation_step(
        self, inputs: Mapping[str, tf.Tensor], model: ElectraModel, metrics: Any = None
    ) -> dict[str, tf.Tensor]:
        """The tokens of one batch as `metrics.validation` wants them.

        Args:
          inputs: Rows of `build_inputs`; rows that are all padding count nowhere.
          model: What `build_model` made.
          metrics: What `build_metrics` returned, or nothing.

        Returns:
          What `objective.new_validation` adds up, and the scalar loss.
        """
        features = self._features(inputs, training=False)
        outputs = self.inference_step(features, model)
        self._process(metrics, model, features, outputs)
        loss = self.build_losses(features, outputs)
        return self.objective.validation_logs(features, outputs) | {self.loss: loss}

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
            state = self._begin_validation()
        if step_logs:
            state.add(step_logs)
            self.sentences.add(step_logs)
        return state

    def _begin_validation(self) -> ValidationState:
        manifest = self._held_out_data()
        rows = manifest.validation_examples if manifest else 0
        tokenizer = manifest and manifest.text_ids()
        self.sentences = SentenceCollector(rows, tokenizer.texts if tokenizer else ())
        continues = continues_word(tokenizer) if tokenizer else None  # [V]
        return self.objective.new_validation(self._architecture.vocab_size, continues)

    def _held_out_data(self) -> Manifest | None:
        """What is evaluated on; None where there is no prepared data to ask."""
        folder = self.task_config.validation_data.input_path
        return load_manifest(Path(folder)) if folder else None

    def reduce_aggregated_logs(
        self, aggregated_logs: ValidationState, global_step: tf.Tensor | None = None
    ) -> dict[str, float]:
        """The metrics of the whole validation set, by name."""
        del global_step
        return aggregated_logs.result()

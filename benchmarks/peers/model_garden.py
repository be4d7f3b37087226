"""A training step of Model Garden's own ELECTRA, as shipped, in float32.

`ElectraPretrainTask` of `official.nlp` with its experiment `electra/pretraining` (AdamWeightDecay
with clipping at a global norm of 1.0, its metrics), run by its `base_trainer.Trainer` in Orbit's
loop under OneDeviceStrategy. Encoders have the sizes of the preset, dropout included. What had to
be set: the schedule's steps, without which it cannot start, and no next-sentence label. It cannot
run in bfloat16.

It reads examples that were masked beforehand, so masking is not part of its step, and the batches
wait in memory, which favours it. Its embeddings share only the word table.
"""

from __future__ import annotations

import os

import numpy as np
from worker import Job, job_parser, measure, read_job

from electra_cli.environment import prepare_tensorflow

_PREPARED_BATCHES = 16


def masked_batch(job: Job, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """One batch as its records hold it, M different positions a row masked."""
    ids = job.batch(rng)  # [B, S]
    special = job.special
    keys = rng.random(ids.shape)
    keys[(ids == special.cls) | (ids == special.sep)] = 2.0
    positions = np.argsort(keys, axis=1)[:, : job.config.max_predictions]  # [B, M]
    originals = np.take_along_axis(ids, positions, axis=1)  # [B, M]
    masked = ids.copy()
    kept = rng.random(positions.shape) < 0.15
    np.put_along_axis(masked, positions, np.where(kept, originals, special.mask), axis=1)
    separators = ids == special.sep
    features = {
        "input_word_ids": masked,
        "input_mask": np.ones_like(ids),
        "input_type_ids": np.cumsum(separators, axis=1) - separators,
        "masked_lm_positions": positions,
        "masked_lm_ids": originals,
    }
    features = {name: value.astype(np.int32) for name, value in features.items()}
    return features | {"masked_lm_weights": np.ones(positions.shape, np.float32)}


def main() -> None:
    """Trains and prints the measurement."""
    job = read_job(job_parser(__doc__).parse_args())
    chosen = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    prepare_tensorflow()
    if chosen is None:  # as TensorFlow decides it by itself for those who do not use this project
        del os.environ["TF_ENABLE_ONEDNN_OPTS"]
    import tensorflow as tf
    from official.core import base_trainer, exp_factory
    from official.nlp.configs import (
        electra,
        encoders,
        pretraining_experiments,  # noqa: F401, registers the experiment
    )
    from official.nlp.tasks.electra_task import ElectraPretrainTask

    config = job.config
    model, optimizer = config.model, config.optimizer

    def encoder(hidden: int, heads: int, intermediate: int) -> encoders.EncoderConfig:
        bert = encoders.BertEncoderConfig(
            vocab_size=model.vocab_size,
            hidden_size=hidden,
            num_layers=model.num_layers,
            num_attention_heads=heads,
            intermediate_size=intermediate,
            dropout_rate=model.hidden_dropout,
            attention_dropout_rate=model.attention_dropout,
            max_position_embeddings=model.max_position_embeddings,
            type_vocab_size=model.type_vocab_size,
            initializer_range=model.initializer_range,
            embedding_size=model.embedding_size,
        )
        return encoders.EncoderConfig(type="bert", bert=bert)

    experiment = exp_factory.get_exp_config("electra/pretraining")
    experiment.task.model = electra.ElectraPretrainerConfig(
        num_masked_tokens=config.max_predictions,
        sequence_length=config.data.sequence_length,
        discriminator_loss_weight=config.objective.disc_weight,
        generator_encoder=encoder(
            *config.generator_sizes,
        ),
        discriminator_encoder=encoder(
            model.hidden_size, model.num_attention_heads, model.intermediate_size
        ),
    )
    experiment.task.train_data.use_next_sentence_label = False
    rates = experiment.trainer.optimizer_config
    rates.learning_rate.polynomial.initial_learning_rate = optimizer.learning_rate
    rates.learning_rate.polynomial.decay_steps = config.train.steps
    rates.warmup.polynomial.warmup_steps = optimizer.warmup_steps

    rng = np.random.default_rng(0)
    batches = [masked_batch(job, rng) for _ in range(_PREPARED_BATCHES)]
    stacked = {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}
    strategy = tf.distribute.OneDeviceStrategy("/cpu:0")
    with strategy.scope():
        task = ElectraPretrainTask(experiment.task)
        trainer = base_trainer.Trainer(
            experiment,
            task,
            task.build_model(),
            task.create_optimizer(rates, experiment.runtime),
            evaluate=False,
            train_dataset=strategy.experimental_distribute_dataset(
                tf.data.Dataset.from_tensor_slices(stacked).repeat().prefetch(2)
            ),
        )

    def run(steps: int) -> float:
        return float(trainer.train(tf.constant(steps))["training_loss"])

    def parameters() -> int:
        return sum(int(np.prod(v.shape)) for v in trainer.model.trainable_variables)

    measure(job, run, precision="float32", parameters=parameters)


if __name__ == "__main__":
    main()

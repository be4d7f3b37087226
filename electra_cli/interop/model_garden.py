"""Model Garden's ELECTRA configuration and records in our words.

Their task (official/nlp/tasks/electra_task.py) is configured by two encoder configurations and
reads records that were masked when they were written. Both are mapped onto our model and features
for `tasks.model_garden`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError
from electra_cli.inputs.masking import Features, sample_uniforms, scatter_ids
from electra_cli.modeling.architecture import Architecture, EncoderSizes, NextSentenceSizes

_ENCODERS = ("bert", "bert_v2")
_NEXT_SENTENCE = "next_sentence"
# What an encoder may ask for that our encoder does not do, with the value that means "no".
_UNSUPPORTED = {"norm_first": False, "hidden_activation": "gelu", "output_range": None}


def settings_of(params: Any) -> Config:
    """What our task needs besides the sizes of the model: length and weights of the losses."""
    model = params.model
    sizes = model.discriminator_encoder.get()
    return Config().replaced(
        {
            "data.sequence_length": model.sequence_length,
            "objective.disc_weight": model.discriminator_loss_weight,
            "objective.disallow_correct": model.disallow_correct,
            "model.vocab_size": sizes.vocab_size,
            "model.max_position_embeddings": sizes.max_position_embeddings,
            "train.batch_size": max(1, params.train_data.global_batch_size),
        }
    )


def architecture_of(params: Any, seed: int) -> Architecture:
    """The sizes an `ElectraPretrainConfig` asks for.

    Raises:
      ConfigError: An encoder that is not BERT's, or something our model does not have.
    """
    model = params.model
    generator = _encoder(model.generator_encoder, "generator_encoder")
    discriminator = _encoder(model.discriminator_encoder, "discriminator_encoder")
    for name in ("vocab_size", "max_position_embeddings", "type_vocab_size"):
        left, right = getattr(generator, name), getattr(discriminator, name)
        if left != right:
            raise ConfigError(
                f"generator_encoder.{name} {left} differs from the discriminator's {right}",
                hint="both networks read the same ids: give both the same value",
            )
    return Architecture(
        vocab_size=discriminator.vocab_size,
        # Tied embeddings have the width of the discriminator's, as in Model Garden.
        embedding=discriminator.embedding_size or discriminator.hidden_size,
        max_positions=discriminator.max_position_embeddings,
        types=discriminator.type_vocab_size,
        generator=_sizes(generator),
        discriminator=_sizes(discriminator),
        seed=seed,
        sharing="tied" if model.tie_embeddings else "none",
        own_embedding=None
        if model.tie_embeddings
        else generator.embedding_size or generator.hidden_size,
        next_sentence=_next_sentence(params),
    )


def _encoder(config: Any, name: str) -> Any:
    if config.type not in _ENCODERS:
        raise ConfigError(
            f"{name}.type {config.type} is not supported",
            hint=f"choose {' or '.join(_ENCODERS)}: ELECTRA's networks are BERT encoders",
        )
    encoder = config.get()
    for key, supported in _UNSUPPORTED.items():
        value = getattr(encoder, key, supported)
        if value != supported:
            raise ConfigError(
                f"{name}.{key} {value} is not supported", hint=f"set {name}.{key} to {supported}"
            )
    return encoder


def _sizes(encoder: Any) -> EncoderSizes:
    return EncoderSizes(
        hidden=encoder.hidden_size,
        layers=encoder.num_layers,
        heads=encoder.num_attention_heads,
        intermediate=encoder.intermediate_size,
        hidden_dropout=encoder.dropout_rate,
        attention_dropout=encoder.attention_dropout_rate,
        initializer_range=encoder.initializer_range,
    )


def _next_sentence(params: Any) -> NextSentenceSizes | None:
    """The head for next-sentence labels, where the data has them; no head stays untrained."""
    heads = list(params.model.cls_heads or [])
    unknown = [head.name for head in heads if head.name != _NEXT_SENTENCE]
    if unknown:
        raise ConfigError(
            f"cls_heads has {unknown[0]!r}, for which there are no labels",
            hint=f"only {_NEXT_SENTENCE!r} is trained: leave the others out",
        )
    if not heads or not getattr(params.train_data, "use_next_sentence_label", False):
        return None
    head = heads[0]
    return NextSentenceSizes(
        inner=head.inner_dim or params.model.generator_encoder.get().hidden_size,
        classes=head.num_classes,
        dropout=head.dropout_rate,
    )


def dataset(params: Any, input_context: tf.distribute.InputContext | None) -> tf.data.Dataset:
    """Their records, read by their loader; the path "dummy" gives rows of zeros.

    Args:
      params: A `BertPretrainDataConfig`.
      input_context: Which of several pipelines this one is.
    """
    if params.input_path == "dummy":
        return _dummy(params)
    from official.nlp.data import pretrain_dataloader

    return pretrain_dataloader.BertPretrainDataLoader(params).load(input_context)


def _dummy(params: Any) -> tf.data.Dataset:
    ids = tf.zeros([1, params.seq_length], tf.int32)  # [1, S]
    masked = tf.zeros([1, params.max_predictions_per_seq], tf.int32)  # [1, M]
    row = {
        "input_word_ids": ids,
        "input_mask": ids,
        "input_type_ids": ids,
        "masked_lm_positions": masked,
        "masked_lm_ids": masked,
        "masked_lm_weights": tf.cast(masked, tf.float32),
    }
    if params.use_next_sentence_label:
        row["next_sentence_labels"] = tf.zeros([1, 1], tf.int32)
    return tf.data.Dataset.from_tensors(row).repeat()


def features_of(
    records: Mapping[str, tf.Tensor], *, seed: tf.Tensor, step: tf.Tensor, first_row: tf.Tensor
) -> Features:
    """Turns statically masked records into what our model takes.

    Args:
      records: A batch of their loader: input_word_ids, input_mask, input_type_ids [B, S];
        masked_lm_positions, masked_lm_ids, masked_lm_weights [B, M]; next_sentence_labels [B, 1].
      seed: Scalar integer.
      step: Scalar integer; with the row it decides the generator's samples.
      first_row: Scalar integer, the place of this replica's first row in the global batch.
    """
    masked_ids = tf.cast(records["input_word_ids"], tf.int32)  # [B, S]
    positions = tf.cast(records["masked_lm_positions"], tf.int32)  # [B, M]
    original = tf.cast(records["masked_lm_ids"], tf.int32)  # [B, M]
    weights = tf.cast(records["masked_lm_weights"], tf.float32)  # [B, M]
    rows = tf.range(tf.shape(masked_ids, tf.int64)[0]) + tf.cast(first_row, tf.int64)  # [B]
    features = {
        "input_ids": scatter_ids(masked_ids, positions, original, weights),
        "masked_input_ids": masked_ids,
        "input_mask": tf.cast(records["input_mask"], tf.int32),
        "segment_ids": tf.cast(records["input_type_ids"], tf.int32),
        "masked_lm_positions": positions,
        "masked_lm_ids": original,
        "masked_lm_weights": weights,
        "sample_uniforms": sample_uniforms(
            seed=seed, step=step, examples=rows, slots=positions.shape[1]
        ),
    }
    if "next_sentence_labels" in records:
        labels = tf.cast(records["next_sentence_labels"], tf.int32)
        features["next_sentence_labels"] = tf.reshape(labels, [-1])  # [B]
    return features

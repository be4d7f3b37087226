"""A SavedModel of a discriminator or of a fine-tuned model, with signatures for ids and for text.

Shapes: B batch, S sequence, D hidden, W words, C classes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from electra_cli.export.checks.parity import Floats, Parity, compare
from electra_cli.export.checks.probe import Probe, make_probe, make_texts
from electra_cli.export.formats.card import saved_model_card
from electra_cli.export.formats.given_tokenizer import write_given
from electra_cli.export.formats.in_graph_tokenizer import InGraphTokenizer
from electra_cli.export.networks import Model, finetuned_of, networks_of, takes_text, task_outputs
from electra_cli.modeling.dropout import Dropout
from electra_cli.modeling.electra import ElectraModel, discriminate
from electra_cli.modeling.fused import plain_operations
from electra_cli.modeling.layers import length_of
from electra_cli.modeling.task_model import TaskModel
from electra_cli.sources.exportable import Exportable

_IDS = ("input_ids", "input_mask", "segment_ids")
_TEXTS = ("text", "text_pair")
_LEAST = -100.0  # what is less is as good as impossible, and compared as this


class Served(tf.Module, ABC):
    """A model for any batch size and length, from ids and, with a tokenizer, from text.

    Attributes:
      from_ids: [B, S] input_ids, input_mask and segment_ids, int32 -> outputs.
      from_text: One or two times [B] strings -> outputs and the input_ids [B, S] they belong to;
        None without a tokenizer.

    Args:
      item: Special tokens and length.
      tokenizer: Turns text into ids.
      texts: How many of them make a row.
    """

    def __init__(self, item: Exportable, tokenizer: InGraphTokenizer | None, texts: int) -> None:
        super().__init__()
        self._tokenizer = tokenizer
        self._special = item.special_ids
        ids = [tf.TensorSpec([None, None], tf.int32, name) for name in _IDS]
        self.from_ids = tf.function(self._of_ids, input_signature=ids)
        self.from_text = None
        if tokenizer is not None:
            strings = [tf.TensorSpec([None], tf.string, name) for name in _TEXTS[:texts]]
            self.from_text = tf.function(self._of_text, input_signature=strings)

    @abstractmethod
    def outputs(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Float32 outputs, and int32 for positions, of input_ids, input_mask and segment_ids."""

    def _of_ids(
        self, input_ids: tf.Tensor, input_mask: tf.Tensor, segment_ids: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        features = dict(zip(_IDS, (input_ids, input_mask, segment_ids), strict=True))
        with plain_operations():  # a server may have no XLA, a fine-tuner needs gradients
            return self.outputs(features)

    def _of_text(self, *texts: tf.Tensor) -> dict[str, tf.Tensor]:
        assert self._tokenizer is not None, "there is no such signature without a tokenizer"
        ids = self._tokenizer(*texts)  # [B, S]
        mask = tf.cast(ids != self._special.pad, tf.int32)  # [B, S]
        is_end = tf.cast(ids == self._special.sep, tf.int32)  # [B, S]
        segments = tf.cumsum(is_end, axis=1, exclusive=True) * mask  # [B, S]
        return self._of_ids(ids, mask, segments) | {"input_ids": ids}


class ServedDiscriminator(Served):
    """logits [B, S] and sequence_output [B, S, D].

    Args:
      model: Its weights are shared, not copied; the generator is left out.
      item: See `Served`.
      tokenizer: See `Served`.
    """

    def __init__(
        self, model: ElectraModel, item: Exportable, tokenizer: InGraphTokenizer | None
    ) -> None:
        super().__init__(item, tokenizer, texts=1)
        # Parts instead of the model, which would bring Keras' own signatures and the generator.
        self._embeddings = model.embeddings
        self._encoder = model.discriminator
        self._head = model.replaced_token_head

    def outputs(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See above."""
        logits, sequence = discriminate(
            self._embeddings, self._encoder, self._head, features["input_ids"], features
        )
        return {"logits": logits, "sequence_output": sequence}


class ServedTask(Served):
    """What the head of a task says.

    logits [B, C] of texts, of a regression [B, 1] in the numbers of the data, [B, S, C] of tagging,
    with probabilities of the same shape where they are of classes; of questions what
    `SpanHead` or `ReferenceSpanHead` says.

    Args:
      model: Its weights are shared, not copied.
      item: See `Served`.
      tokenizer: See `Served`.
    """

    def __init__(
        self, model: TaskModel, item: Exportable, tokenizer: InGraphTokenizer | None
    ) -> None:
        self._finetuned = finetuned_of(item)
        super().__init__(item, tokenizer, texts=len(self._finetuned.config.task.texts))
        self._embeddings = model.embeddings
        self._encoder = model.encoder
        self._head = model.task_head

    def outputs(self, features: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """See above."""
        ids = features["input_ids"]
        every = tf.zeros_like(ids) + tf.range(length_of(ids))  # [B, S]
        embedded = self._embeddings(ids, features["segment_ids"], tf.float32, Dropout())  # [B·S, E]
        hidden = self._encoder(embedded, features["input_mask"], Dropout())  # [B·S, D]
        features = features | {"labeled_positions": every}
        said = task_outputs(
            self._head(hidden, features, Dropout(), training=False), self._finetuned
        )
        if self._finetuned.config.task.kind in ("classification", "tagging"):
            # Of softmax TensorFlow would say on stderr that it cannot guess what it costs.
            said["probabilities"] = tf.exp(tf.nn.log_softmax(said["logits"]))
        return said


def write(model: Model, item: Exportable, folder: Path) -> None:
    """Writes the SavedModel and its card into an existing folder.

    A tokenizer that is no WordPiece of ours, which no graph has, lies beside it as it was given.

    Raises:
      tf.errors.OpError: The disk is full, for example; also OSError.
    """
    tokenizer = _tokenizer(item)
    served = (
        ServedTask(model, item, tokenizer)
        if isinstance(model, TaskModel)
        else ServedDiscriminator(model, item, tokenizer)
    )
    signatures = {"serving_default": served.from_ids}
    if served.from_text is not None:
        signatures["text"] = served.from_text
    tf.saved_model.save(served, str(folder), signatures=signatures)
    if (given := item.text_ids) and item.tokenizer is None:
        write_given(given, folder, max_length=item.max_length)
    (folder / "README.md").write_text(saved_model_card(item), encoding="utf-8")


def _tokenizer(item: Exportable) -> InGraphTokenizer | None:
    """What makes rows of text; None if nothing can within a graph, or text alone makes no row."""
    if not takes_text(item):
        return None
    assert item.vocab is not None, "only what has a vocabulary takes text"
    assert item.tokenizer is not None, "only word pieces are made within a graph"
    return InGraphTokenizer(item.vocab, item.tokenizer, item.special_ids, max_length=item.length)


def check(model: Model, item: Exportable, folder: Path) -> Parity:
    """Loads a SavedModel back and compares it with the NumPy forward pass over the weights.

    Hugging Face's layout, which NumPy follows, has no place for the reference's heads: those are
    compared with the model itself.

    Raises:
      TrainingError: The signatures differ by more than the bound from it or from each other.
    """
    probe = make_probe(item)
    if isinstance(model, TaskModel) and finetuned_of(item).head.style == "reference":
        said = task_outputs(model(probe.features(), training=False), finetuned_of(item))
        method, expected = "tensorflow", {name: values.numpy() for name, values in said.items()}
    else:
        method, expected = "numpy", networks_of(model, item)[0].numpy_outputs(probe)
    signatures = tf.saved_model.load(str(folder)).signatures
    served = _served(signatures, probe)
    pairs = _pairs("serving_default", expected, served)
    if "text" in signatures:
        assert item.vocab is not None, "there is no such signature without a vocabulary"
        texts = make_texts(item, item.vocab)
        names = signatures["text"].structured_input_signature[1]
        # Each text with another one.
        inputs = {name: tf.constant(np.roll(texts, n)) for n, name in enumerate(sorted(names))}
        from_text = {key: v.numpy() for key, v in signatures["text"](**inputs).items()}
        ids = from_text.pop("input_ids")
        mask = (ids != item.special_ids.pad).astype(np.int32)
        ends = (ids == item.special_ids.sep).cumsum(axis=1)  # [B, S]
        segments = np.where(ids == item.special_ids.sep, ends - 1, ends) * mask  # [B, S]
        from_ids = _served(signatures, Probe(ids, mask, segments.astype(np.int32)))
        pairs += _pairs("text", from_ids, from_text)
    return compare(method, pairs)


def _pairs(
    name: str, expected: Mapping[str, Floats], found: Mapping[str, Floats]
) -> list[tuple[str, Floats, Floats]]:
    """What both have, as it can be compared: the order of equal scores is nobody's choice."""
    pairs = []
    for output in expected.keys() & found.keys():
        ours, theirs = expected[output], found[output]
        if ours.dtype != np.float32:
            continue
        if output == "end_top_log_probs":
            ours, theirs = ours[:, 0], theirs[:, 0]  # of the best start: [B, K]
        pairs.append((name, np.maximum(ours, _LEAST), np.maximum(theirs, _LEAST)))
    return pairs


def _served(signatures: Mapping[str, Any], probe: Probe) -> dict[str, Floats]:
    arguments = (probe.ids, probe.mask, probe.segments)
    inputs = {name: tf.constant(x) for name, x in zip(_IDS, arguments, strict=True)}
    return {key: v.numpy() for key, v in signatures["serving_default"](**inputs).items()}

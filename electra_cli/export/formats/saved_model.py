"""A SavedModel of the discriminator, with one signature for ids and one for text.

Shapes: B batch, S sequence, D hidden.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from electra_cli.export.checks.parity import Floats, Parity, compare, numpy_discriminator
from electra_cli.export.checks.probe import Probe, make_probe, make_texts
from electra_cli.export.formats.card import saved_model_card
from electra_cli.export.formats.in_graph_tokenizer import InGraphTokenizer
from electra_cli.modeling.electra import ElectraModel, discriminate
from electra_cli.modeling.fused import plain_operations
from electra_cli.sources.exportable import Exportable


def _ids(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None, None], tf.int32, name)


class ServedDiscriminator(tf.Module):
    """The discriminator for any batch size and length, from ids.

    Args:
      model: Its weights are shared, not copied; the generator is left out.
    """

    def __init__(self, model: ElectraModel) -> None:
        super().__init__()
        # Parts instead of the model, which would bring Keras' own signatures and the generator.
        self._embeddings = model.embeddings
        self._encoder = model.discriminator
        self._head = model.replaced_token_head

    @tf.function(input_signature=[_ids("input_ids"), _ids("input_mask"), _ids("segment_ids")])
    def from_ids(
        self, input_ids: tf.Tensor, input_mask: tf.Tensor, segment_ids: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """[B, S] each -> logits [B, S] and sequence_output [B, S, D], float32."""
        return self._discriminate(input_ids, input_mask, segment_ids)

    def _discriminate(
        self, ids: tf.Tensor, mask: tf.Tensor, segments: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        features = {"input_mask": mask, "segment_ids": segments}
        with plain_operations():  # a server may have no XLA, a fine-tuner needs gradients
            logits, sequence = discriminate(
                self._embeddings, self._encoder, self._head, ids, features
            )
        return {"logits": logits, "sequence_output": sequence}


class ServedText(ServedDiscriminator):
    """The same, and from text.

    Args:
      model: The model; its weights are shared.
      tokenizer: Turns text into ids.
      pad_id: The id of padding.
    """

    def __init__(self, model: ElectraModel, tokenizer: InGraphTokenizer, pad_id: int) -> None:
        super().__init__(model)
        self._tokenizer = tokenizer
        self._pad_id = pad_id

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "text")])
    def from_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """[B] strings -> logits, sequence_output and the input_ids [B, S] int32 they belong to."""
        ids = self._tokenizer(text)  # [B, S]
        mask = tf.cast(ids != self._pad_id, tf.int32)
        return self._discriminate(ids, mask, tf.zeros_like(ids)) | {"input_ids": ids}


def write(model: ElectraModel, item: Exportable, folder: Path) -> None:
    """Writes the SavedModel and its card into an existing folder.

    Raises:
      tf.errors.OpError: The disk is full, for example; also OSError.
    """
    served = _serve(model, item)
    signatures = {"serving_default": served.from_ids}
    if isinstance(served, ServedText):
        signatures["text"] = served.from_text
    tf.saved_model.save(served, str(folder), signatures=signatures)
    (folder / "README.md").write_text(saved_model_card(item), encoding="utf-8")


def _serve(model: ElectraModel, item: Exportable) -> ServedDiscriminator:
    """What is saved; without a vocabulary there is no text to take."""
    if item.vocab is None:
        return ServedDiscriminator(model)
    tokenizer = InGraphTokenizer(
        item.vocab,
        item.tokenizer,
        item.special_ids,
        max_length=item.config.data.sequence_length,
    )
    return ServedText(model, tokenizer, item.special_ids.pad)


def check(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Loads a SavedModel back and compares it with the NumPy forward pass over the weights.

    Raises:
      TrainingError: The signatures differ by more than the bound from it or from each other.
    """
    probe = make_probe(item)
    expected = numpy_discriminator(model, item).discriminator_logits(
        probe.ids, probe.mask, probe.segments
    )
    signatures = tf.saved_model.load(str(folder)).signatures
    served = _outputs(signatures, probe)
    pairs = [("serving_default", served, expected)]
    if item.vocab is not None:
        from_text = signatures["text"](text=tf.constant(make_texts(item, item.vocab)))
        ids = from_text["input_ids"].numpy()
        mask = (ids != item.special_ids.pad).astype(np.int32)
        from_ids = _outputs(signatures, Probe(ids, mask, np.zeros_like(ids)))
        pairs.append(("text", from_text["logits"].numpy(), from_ids))
    return compare("numpy", pairs)


def _outputs(signatures: Mapping[str, Any], probe: Probe) -> Floats:
    outputs = signatures["serving_default"](
        input_ids=tf.constant(probe.ids),
        input_mask=tf.constant(probe.mask),
        segment_ids=tf.constant(probe.segments),
    )
    return outputs["logits"].numpy()

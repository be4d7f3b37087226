"""A network as an ONNX graph, from tensors in Hugging Face's layout.

It is written out, not converted: tf2onnx 1.17 needs some seventy times the memory of the weights
(3.7 GB for ELECTRA-Small, more than 22 GB for Base), and its mode for large models calls a function
that NumPy 2 no longer has.

Shapes: B batch, S sequence, E embedding, D hidden, H heads, K head size (D = H·K),
C classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from electra_cli.interop.huggingface import Tensors

INPUTS = ("input_ids", "input_mask", "segment_ids")
LOGITS, SEQUENCE, START, END = "logits", "sequence_output", "start_logits", "end_logits"

Shapes = dict[str, list[str | int]]

# The first opset with LayerNormalization, and the format that came with it: runtimes since 2022.
_OPSET, _IR_VERSION = 17, 8
_MASKED_SCORE = -10000.0  # google-research/electra, modeling.py: `attention_layer`


def build(config: Mapping[str, Any], tensors: Tensors, outputs: Sequence[str]) -> onnx.ModelProto:
    """A model of any batch size and length, float32.

    Args:
      config: The content of Hugging Face's config.json; it says which head there is.
      tensors: The tensors of the network.
      outputs: SEQUENCE [B, S, D] for the encoder without head, or what the head gives: LOGITS, of
        questions START and END.

    Returns:
      A model that takes INPUTS, int32 [B, S].
    """
    builder = _Builder(config, tensors)
    hidden = builder.encode()  # [B, S, D]
    if list(outputs) == [SEQUENCE]:
        builder.node("Identity", hidden, name=SEQUENCE)
        shapes: Shapes = {SEQUENCE: ["batch", "length", config["hidden_size"]]}
    else:
        shapes = builder.head(hidden)
    graph = helper.make_graph(
        builder.nodes,
        "electra",
        [helper.make_tensor_value_info(i, TensorProto.INT32, ["batch", "length"]) for i in INPUTS],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, shapes[o]) for o in outputs],
        list(builder.initializers.values()),
    )
    opsets = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(
        graph, producer_name="electra", opset_imports=opsets, ir_version=_IR_VERSION
    )


class _Builder:
    """Appends nodes; a method takes and returns names of values."""

    def __init__(self, config: Mapping[str, Any], tensors: Tensors) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: dict[str, TensorProto] = {}
        self._config = config
        self._tensors = tensors

    def node(self, operation: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Appends a node with one output, which has the node's name."""
        name = name or f"{operation}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operation, list(inputs), [name], name, **attributes))
        return name

    def constant(self, value: Any, dtype: Any = np.int64) -> str:
        """A small constant; its name is its value."""
        array = np.asarray(value, dtype)
        return self._keep(f"constant_{array.dtype}_{array.tolist()}", array)

    def dense(self, values: str, scope: str, *, name: str = "") -> str:
        """values·Wᵀ + b, over the last axis."""
        key = f"{scope}.weight"
        weight = self._keep(key, np.ascontiguousarray(self._tensors[key].T))  # [I, O]
        product = self.node("MatMul", values, weight)
        return self.node("Add", product, self._tensor(f"{scope}.bias"), name=name)

    def gelu(self, values: str) -> str:
        """GELU with the error function; shape stays."""
        scaled = self.node("Mul", values, self.constant(0.5**0.5, np.float32))
        factor = self.node("Add", self.node("Erf", scaled), self.constant(1, np.float32))
        half = self.node("Mul", values, self.constant(0.5, np.float32))
        return self.node("Mul", half, factor)

    def encode(self) -> str:
        """Embeddings and all layers; [B, S, D]."""
        ids, mask, segments = INPUTS
        scope = "electra.embeddings"
        words = self.node("Gather", self._tensor(f"{scope}.word_embeddings.weight"), ids)
        types = self.node("Gather", self._tensor(f"{scope}.token_type_embeddings.weight"), segments)
        length = self.node("Shape", ids, start=1, end=2)  # [1]
        table = self._tensor(f"{scope}.position_embeddings.weight")
        zero = self.constant([0])
        positions = self.node("Slice", table, zero, length, zero)  # [S, E]
        total = self.node("Add", self.node("Add", words, types), positions)  # [B, S, E]
        values = self._norm(total, f"{scope}.LayerNorm")
        if self._config["embedding_size"] != self._config["hidden_size"]:
            values = self.dense(values, "electra.embeddings_project")  # [B, S, D]
        padding = self.node(
            "Sub", self.constant(1, np.float32), self.node("Cast", mask, to=TensorProto.FLOAT)
        )  # [B, S]
        lowered = self.node("Mul", padding, self.constant(_MASKED_SCORE, np.float32))
        lowered = self.node("Unsqueeze", lowered, self.constant([1, 2]))  # [B, 1, 1, S]
        for index in range(self._config["num_hidden_layers"]):
            values = self._layer(values, lowered, f"electra.encoder.layer.{index}")
        return values

    def head(self, hidden: str) -> Shapes:
        """The head of config.json; [B, S, D] to its outputs, whose shapes it returns."""
        tokens: list[str | int] = ["batch", "length"]
        match self._config["architectures"]:
            case ["ElectraForPreTraining"]:
                scope = "discriminator_predictions"
                inner = self.gelu(self.dense(hidden, f"{scope}.dense"))  # [B, S, D]
                scores = self.dense(inner, f"{scope}.dense_prediction")  # [B, S, 1]
                self.node("Squeeze", scores, self.constant([2]), name=LOGITS)  # [B, S]
                return {LOGITS: tokens}
            case ["ElectraForSequenceClassification"]:
                first = self.node("Gather", hidden, self.constant(0), axis=1)  # [B, D]
                inner = self.gelu(self.dense(first, "classifier.dense"))  # [B, D]
                self.dense(inner, "classifier.out_proj", name=LOGITS)  # [B, C]
                return {LOGITS: ["batch", len(self._tensors["classifier.out_proj.bias"])]}
            case ["ElectraForTokenClassification"]:
                self.dense(hidden, "classifier", name=LOGITS)  # [B, S, C]
                return {LOGITS: [*tokens, len(self._tensors["classifier.bias"])]}
            case ["ElectraForQuestionAnswering"]:
                logits = self.dense(hidden, "qa_outputs")  # [B, S, 2]
                for place, name in enumerate((START, END)):
                    self.node("Gather", logits, self.constant(place), name=name, axis=2)  # [B, S]
                return {START: tokens, END: tokens}
        raise ValueError(f"no graph for the head of {self._config['architectures']}")

    def _layer(self, values: str, lowered: str, scope: str) -> str:
        attended = self.dense(
            self._attend(values, lowered, f"{scope}.attention.self"),
            f"{scope}.attention.output.dense",
        )
        values = self._norm(
            self.node("Add", values, attended), f"{scope}.attention.output.LayerNorm"
        )
        widened = self.gelu(self.dense(values, f"{scope}.intermediate.dense"))
        narrowed = self.dense(widened, f"{scope}.output.dense")
        return self._norm(self.node("Add", values, narrowed), f"{scope}.output.LayerNorm")

    def _attend(self, values: str, lowered: str, scope: str) -> str:
        hidden, heads = self._config["hidden_size"], self._config["num_attention_heads"]
        size = hidden // heads

        def split(part: str, order: list[int]) -> str:
            projected = self.dense(values, f"{scope}.{part}")  # [B, S, D]
            parts = self.node("Reshape", projected, self.constant([0, 0, heads, size]))
            return self.node("Transpose", parts, perm=order)

        query = split("query", [0, 2, 1, 3])  # [B, H, S, K]
        key = split("key", [0, 2, 3, 1])  # [B, H, K, S]
        value = split("value", [0, 2, 1, 3])  # [B, H, S, K]
        scores = self.node("MatMul", query, key)  # [B, H, S, S]
        scores = self.node("Mul", scores, self.constant(size**-0.5, np.float32))
        weights = self.node("Softmax", self.node("Add", scores, lowered), axis=-1)
        context = self.node("MatMul", weights, value)  # [B, H, S, K]
        context = self.node("Transpose", context, perm=[0, 2, 1, 3])  # [B, S, H, K]
        return self.node("Reshape", context, self.constant([0, 0, hidden]))  # [B, S, D]

    def _norm(self, values: str, scope: str) -> str:
        scale, offset = self._tensor(f"{scope}.weight"), self._tensor(f"{scope}.bias")
        epsilon = self._config["layer_norm_eps"]
        return self.node("LayerNormalization", values, scale, offset, axis=-1, epsilon=epsilon)

    def _tensor(self, name: str) -> str:
        return self._keep(name, self._tensors[name])

    def _keep(self, name: str, array: np.ndarray) -> str:
        if name not in self.initializers:
            self.initializers[name] = numpy_helper.from_array(array, name)
        return name

"""TensorFlow checkpoints read by name: ours, the reference's, and Model Garden's encoders.

A TF2 checkpoint records its objects: which variables can be reached from which name, what they were
called, and which optimizer slots belong to them. That is what is read here; no object is built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from electra_cli.errors import DataError
from electra_cli.interop import garden_encoder
from electra_cli.interop.reference import WORDS, Arrays, from_reference, is_slot
from electra_cli.interop.values import OTHER, Values, part_of

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"
_STEP = "global_step"
_AVERAGE = "average"  # the slot of optimization.average.WeightAverage


def read_checkpoint(prefix: Path) -> Values:
    """Reads all weights of a checkpoint, or their averages if it has any.

    Raises:
      DataError: The files are damaged, or it is no checkpoint of a kind that is known.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = sorted(reader.get_variable_to_shape_map())
        if _GRAPH in names:
            found = _read_objects(reader, prefix)
            if found is not None:
                return found
        elif WORDS in names:
            kept = {name for name in names if not is_slot(name, set(names))}
            # What is of no network, such as loss scales, is named and not read.
            state = sorted(name for name in kept if part_of(name) == OTHER)
            arrays = {name: reader.get_tensor(name) for name in sorted(kept.difference(state))}
            if _STEP in state:
                state.remove(_STEP)
            return Values("checkpoint of the reference", from_reference(arrays), state)
    except (tf.errors.OpError, RuntimeError, ValueError, IndexError) as error:
        raise DataError(
            f"checkpoint {prefix} cannot be read: {str(error).splitlines()[0]}",
            hint="copy it again, both .index and .data files, or name another one",
        ) from error
    some = ", ".join([name for name in names if name != _GRAPH][:3]) or "nothing"
    raise DataError(
        f"checkpoint {prefix} holds no ELECTRA model that electra knows; it has {some}",
        hint="it can be one of electra, of google-research/electra, or of Model Garden, saved as "
        "tf.train.Checkpoint(**model.checkpoint_items)",
    )


def _read_objects(reader: Any, prefix: Path) -> Values | None:
    """Reads a TF2 checkpoint; None if it is neither ours nor an encoder of Model Garden's."""
    graph = TrackableObjectGraph.FromString(reader.get_tensor(_GRAPH))
    # A whole run of Model Garden's has both, and the names below `model` are those of two encoders.
    for child in ("encoder", "model"):
        variables = list(_variables(graph, child))
        if any(name == WORDS for name, _ in variables):
            arrays, unused = _collect(reader, variables, _own_name, prefix)
            return Values("checkpoint of electra", arrays, unused)
        if any(garden_encoder.reference_name(name) == WORDS for name, _ in variables):
            arrays, unused = _collect(reader, variables, garden_encoder.reference_name, prefix)
            query = arrays.get("electra/encoder/layer_0/attention/self/query/bias")
            sizes = {} if query is None else {"model.num_attention_heads": query.shape[0]}
            flat = {
                name: garden_encoder.without_heads(name, array) for name, array in arrays.items()
            }
            return Values("encoder of Model Garden", from_reference(flat), unused, sizes)
    return None


def _own_name(full_name: str) -> str | None:
    return None if part_of(full_name) == OTHER else full_name


def _collect(
    reader: Any,
    variables: list[tuple[str, str]],
    our_name: Callable[[str], str | None],
    prefix: Path,
) -> tuple[Arrays, list[str]]:
    arrays: Arrays = {}
    unused: list[str] = []
    for full_name, key in variables:
        name = our_name(full_name)
        if name is None:
            unused.append(full_name)
            continue
        if name in arrays:
            raise DataError(
                f"checkpoint {prefix} holds several variables called {full_name}",
                hint="save one encoder: tf.train.Checkpoint(**model.checkpoint_items)",
            )
        arrays[name] = np.asarray(reader.get_tensor(key))
    return arrays, unused


def _variables(graph: Any, child: str) -> Iterator[tuple[str, str]]:
    """(full name, key of the value or its average) of all variables below one of the root's."""
    averages = {
        slot.original_variable_node_id: slot.slot_variable_node_id
        for node in graph.nodes
        for slot in node.slot_variables
        if slot.slot_name == _AVERAGE
    }
    ahead = [node.node_id for node in graph.nodes[0].children if node.local_name == child]
    seen = set(ahead)
    while ahead:
        index = ahead.pop(0)
        node = graph.nodes[index]
        value = graph.nodes[averages.get(index, index)]
        for attribute, stored in zip(node.attributes, value.attributes, strict=True):
            yield attribute.full_name, stored.checkpoint_key
        for reached in node.children:  # possibly by several names
            if reached.node_id not in seen:
                seen.add(reached.node_id)
                ahead.append(reached.node_id)

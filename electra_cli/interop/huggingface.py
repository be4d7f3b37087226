"""Which variable of ours is which tensor of Hugging Face's ELECTRA.

A table of `Link`s, one a tensor: where the variable is in `ElectraModel` or `TaskModel`, the name
of the tensor in `ElectraForPreTraining`, `ElectraForMaskedLM` or the model of a task (transformers,
models/electra/modeling_electra.py), and what happens to the array in between. It can be read in
both directions.

Differences in layout: a kernel of ours is [in, out], PyTorch's is [out, in]; query, key and value
are one kernel [D, 3·D] here and three there. The shared embeddings are stored with both networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from electra_cli.config.finetune import Kind
from electra_cli.config.schema import Config
from electra_cli.errors import DataError, TrainingError
from electra_cli.modeling.architecture import Architecture, EncoderSizes

if TYPE_CHECKING:
    from electra_cli.modeling.electra import ElectraModel
    from electra_cli.modeling.task_model import TaskModel

Tensors = dict[str, npt.NDArray[np.float32]]

# Constants that older versions saved with the weights.
_BUFFERS = (".position_ids", ".token_type_ids")

# Of each kind of task the model, and the name of its last layer.
_TASKS: Mapping[Kind, tuple[str, str]] = {
    "classification": ("ElectraForSequenceClassification", "classifier.out_proj"),
    "regression": ("ElectraForSequenceClassification", "classifier.out_proj"),
    "tagging": ("ElectraForTokenClassification", "classifier"),
    "qa": ("ElectraForQuestionAnswering", "qa_outputs"),
}


@dataclass(frozen=True)
class Link:
    """One tensor of Hugging Face's and the variable, or third of a variable, that it is.

    Attributes:
      variable: Path of attributes and indices in the model.
      tensor: Name in the state dictionary.
      transposed: The tensor is the variable transposed.
      third: Which third of the variable's last axis it is; None for all of it.
    """

    variable: str
    tensor: str
    transposed: bool = False
    third: int | None = None


def links_of(architecture: Architecture) -> dict[str, list[Link]]:
    """The tables of `ElectraForPreTraining` and of `ElectraForMaskedLM` at the sizes of a model.

    The output matrix of the second is the word table and not stored. Two towers have no model
    there: their table is empty.
    """
    tables: dict[str, list[Link]] = {}
    if (sizes := architecture.discriminator) is not None:
        tables["discriminator"] = [
            *_embeddings("embeddings"),
            *_encoder("discriminator", architecture.embedding, sizes),
            *_dense("replaced_token_head.dense", "discriminator_predictions.dense"),
            *_dense("replaced_token_head.output", "discriminator_predictions.dense_prediction"),
        ]
    if architecture.two_towers:
        tables["generator"] = []
    elif (sizes := architecture.generator) is not None:
        tables["generator"] = [
            # The embeddings above, unless the architecture says that they are not tied.
            *_embeddings("generator_embeddings"),
            *_encoder("generator", architecture.generator_embedding, sizes),
            *_dense("masked_lm_head.dense", "generator_predictions.dense"),
            *_norm("masked_lm_head.norm", "generator_predictions.LayerNorm"),
            Link("masked_lm_head.bias", "generator_lm_head.bias"),
        ]
    return tables


def task_links(architecture: Architecture, kind: Kind) -> list[Link]:
    """The table of the model that a `TaskModel` with Hugging Face's head is."""
    _, last = _TASKS[kind]
    links = [
        *_embeddings("embeddings"),
        *_encoder("encoder", architecture.embedding, architecture.main),
        *_dense("task_head.output", last),
    ]
    has_inner = kind in ("classification", "regression")
    return links + (_dense("task_head.dense", "classifier.dense") if has_inner else [])


def _embeddings(ours: str) -> list[Link]:
    theirs = "electra.embeddings"
    return [
        Link(f"{ours}.words", f"{theirs}.word_embeddings.weight"),
        Link(f"{ours}.positions", f"{theirs}.position_embeddings.weight"),
        Link(f"{ours}.types", f"{theirs}.token_type_embeddings.weight"),
        *_norm(f"{ours}.norm", f"{theirs}.LayerNorm"),
    ]


def _encoder(network: str, embedding: int, sizes: EncoderSizes) -> list[Link]:
    links = []
    if embedding != sizes.hidden:
        links += _dense(f"{network}.project", "electra.embeddings_project")
    for index in range(sizes.layers):
        ours, theirs = f"{network}.blocks.{index}", f"electra.encoder.layer.{index}"
        for third, part in enumerate(("query", "key", "value")):
            links += _dense(f"{ours}.query_key_value", f"{theirs}.attention.self.{part}", third)
        links += _dense(f"{ours}.attention_output", f"{theirs}.attention.output.dense")
        links += _norm(f"{ours}.attention_norm", f"{theirs}.attention.output.LayerNorm")
        links += _dense(f"{ours}.intermediate", f"{theirs}.intermediate.dense")
        links += _dense(f"{ours}.output", f"{theirs}.output.dense")
        links += _norm(f"{ours}.output_norm", f"{theirs}.output.LayerNorm")
    return links


def _dense(ours: str, theirs: str, third: int | None = None) -> list[Link]:
    return [
        Link(f"{ours}.kernel", f"{theirs}.weight", transposed=True, third=third),
        Link(f"{ours}.bias", f"{theirs}.bias", third=third),
    ]


def _norm(ours: str, theirs: str) -> list[Link]:
    return [Link(f"{ours}.gamma", f"{theirs}.weight"), Link(f"{ours}.beta", f"{theirs}.bias")]


def network_tensors(model: ElectraModel) -> dict[str, Tensors]:
    """Reads a model's variables into Hugging Face's tensors.

    Returns:
      The tensors of each network by name, float32.

    Raises:
      TrainingError: A trainable variable belongs to no tensor.
    """
    return _read(model, links_of(model.architecture))


def task_tensors(model: TaskModel, kind: Kind, *, scale: float, offset: float) -> Tensors:
    """Reads the variables of a model with Hugging Face's head into its tensors.

    Args:
      model: The model.
      kind: Of its task.
      scale: What its outputs are to be multiplied by.
      offset: What is added to them then.

    Raises:
      TrainingError: A trainable variable belongs to no tensor.
    """
    tensors = _read(model, {kind: task_links(model.architecture, kind)})[kind]
    _, last = _TASKS[kind]
    weight, bias = f"{last}.weight", f"{last}.bias"
    return tensors | {
        weight: tensors[weight] * np.float32(scale),
        bias: tensors[bias] * np.float32(scale) + np.float32(offset),
    }


def _read(
    model: ElectraModel | TaskModel, tables: Mapping[str, Sequence[Link]]
) -> dict[str, Tensors]:
    used: dict[int, set[int | None]] = {}
    parts: dict[str, Tensors] = {}
    for part, table in tables.items():
        parts[part] = {}
        for link in table:
            variable = _variable(model, link.variable)
            used.setdefault(id(variable), set()).add(link.third)
            parts[part][link.tensor] = _tensor(variable.numpy(), link)
    towers = getattr(model, "two_towers", None)
    left_out = {id(variable) for variable in towers.trainable_variables} if towers else set()
    unmapped = [
        variable.name
        for variable in model.trainable_variables
        if used.get(id(variable)) not in ({None}, {0, 1, 2}) and id(variable) not in left_out
    ]
    if unmapped:
        raise TrainingError(
            f"variables without a place in Hugging Face's layout: {', '.join(unmapped)}"
        )
    return parts


def from_tensors(
    model: ElectraModel, links: Mapping[str, Sequence[Link]], parts: Mapping[str, Tensors]
) -> tuple[Tensors, list[str]]:
    """Reads Hugging Face's tensors into weights under our names; the model stays as it is.

    Args:
      model: A model of the sizes that the tensors are to have.
      links: The table of each part.
      parts: The tensors of each part, of one or both.

    Returns:
      The weights, float32, and the tensors that have no place in our model, as "part/tensor". The
      tables that both parts have are taken from the first; those of the second are in that list if
      they are not the same.

    Raises:
      DataError: A tensor has another shape than our variable.
    """
    arrays: Tensors = {}
    thirds: dict[str, dict[int, npt.NDArray[np.float32]]] = {}
    unused: list[str] = []
    for part, tensors in parts.items():
        unused += [f"{part}/{name}" for name in _without_place(tensors, links[part])]
        for link in links[part]:
            if link.tensor not in tensors:
                continue
            variable = _variable(model, link.variable)
            name = variable.name.split(":")[0]
            values = _values(tensors[link.tensor], link, variable, part)
            if link.third is not None:
                thirds.setdefault(name, {})[link.third] = values
            elif not np.array_equal(arrays.setdefault(name, values), values):
                unused.append(f"{part}/{link.tensor}")
    for name, found in thirds.items():
        if len(found) == 3:
            arrays[name] = np.concatenate([found[third] for third in range(3)], axis=-1)
    return arrays, unused


def are_one_encoder(parts: Mapping[str, Tensors]) -> bool:
    """Whether the networks that there are have the same embeddings and encoder."""
    first, *others = (
        {name: array for name, array in tensors.items() if name.startswith("electra.")}
        for tensors in parts.values()
    )
    return all(
        first.keys() == other.keys() and all(np.array_equal(first[n], other[n]) for n in first)
        for other in others
    )


def _without_place(tensors: Tensors, table: Sequence[Link]) -> list[str]:
    """Tensors that stand for no variable; buffers and a tied output matrix do not count."""
    known = {link.tensor for link in table}
    known |= {name for name in tensors if name.endswith(_BUFFERS)}
    output = tensors.get("generator_lm_head.weight")
    words = tensors.get("electra.embeddings.word_embeddings.weight")
    if output is not None and words is not None and np.array_equal(output, words):
        known.add("generator_lm_head.weight")
    return sorted(set(tensors) - known)


def _values(
    tensor: npt.NDArray[np.float32], link: Link, variable: Any, part: str
) -> npt.NDArray[np.float32]:
    values = tensor.T if link.transposed else tensor
    shape = list(variable.shape)
    if link.third is not None:
        shape[-1] //= 3
    if list(values.shape) != shape:
        expected = shape[::-1] if link.transposed else shape
        raise DataError(
            f"{part}: {link.tensor} is {list(tensor.shape)}, the model needs {expected}",
            hint="config.json and model.safetensors do not belong together, or one is damaged",
        )
    return np.ascontiguousarray(values, np.float32)


def _variable(model: ElectraModel | TaskModel, path: str) -> Any:
    found: Any = model
    for name in path.split("."):
        found = found[int(name)] if name.isdigit() else getattr(found, name)
    return found


def _tensor(values: npt.NDArray[np.float32], link: Link) -> npt.NDArray[np.float32]:
    if link.third is not None:
        values = np.split(values, 3, axis=-1)[link.third]
    return np.ascontiguousarray(values.T if link.transposed else values)


def network_configs(config: Config, *, pad_id: int) -> dict[str, dict[str, Any]]:
    """The config.json of each network, of `ElectraForPreTraining` and of `ElectraForMaskedLM`."""
    found, architecture = {}, Architecture.of(config).plain
    if (sizes := architecture.discriminator) is not None:
        found["discriminator"] = _config(
            "ElectraForPreTraining", architecture, sizes, architecture.embedding, pad_id=pad_id
        )
    if (sizes := architecture.generator) is not None:
        found["generator"] = _config(
            "ElectraForMaskedLM",
            architecture,
            sizes,
            architecture.generator_embedding,
            pad_id=pad_id,
        )
    return found


def task_config(
    config: Config, kind: Kind, labels: Sequence[str], *, pad_id: int
) -> dict[str, Any]:
    """The config.json of a fine-tuned model with Hugging Face's head.

    Args:
      config: Sizes of the encoder.
      kind: Of the task.
      labels: Of a classification or tagging, in the order of their numbers.
      pad_id: The id of padding.
    """
    architecture, (name, _) = Architecture.of(config), _TASKS[kind]
    found = _config(name, architecture, architecture.main, architecture.embedding, pad_id=pad_id)
    if kind == "qa":
        return found
    names = ["LABEL_0"] if kind == "regression" else labels  # as the library calls a number
    found["id2label"] = {str(number): label for number, label in enumerate(names)}
    found["label2id"] = {label: number for number, label in enumerate(names)}
    if kind == "regression":
        found["problem_type"] = "regression"
    elif kind == "classification":
        found["problem_type"] = "single_label_classification"
    return found


def _config(
    name: str, architecture: Architecture, sizes: EncoderSizes, embedding: int, *, pad_id: int
) -> dict[str, Any]:
    return {
        "architectures": [name],
        "model_type": "electra",
        "vocab_size": architecture.vocab_size,
        "embedding_size": embedding,
        "hidden_size": sizes.hidden,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "intermediate_size": sizes.intermediate,
        "hidden_act": "gelu",
        "hidden_dropout_prob": sizes.hidden_dropout,
        "attention_probs_dropout_prob": sizes.attention_dropout,
        "max_position_embeddings": architecture.max_positions,
        "type_vocab_size": architecture.types,
        "initializer_range": sizes.initializer_range,
        "layer_norm_eps": 1e-12,
        "pad_token_id": pad_id,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }


def output_names(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What transformers calls the outputs of the model of a config.json."""
    is_qa = config["architectures"] == [_TASKS["qa"][0]]
    return ("start_logits", "end_logits") if is_qa else ("logits",)

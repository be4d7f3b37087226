"""Which variable of ours is which tensor of Hugging Face's ELECTRA.

A table of `Link`s, one a tensor: where the variable is in `ElectraModel`, the tensor's name in
`ElectraForPreTraining` or `ElectraForMaskedLM` (transformers, models/electra/modeling_electra.py),
and what happens to the array in between. It can be read in both directions.

Differences in layout: a kernel of ours is [in, out], PyTorch's is [out, in]; query, key and value
are one kernel [D, 3·D] here and three there. The shared embeddings are stored with both networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from electra_cli.config.schema import Config
from electra_cli.errors import TrainingError
from electra_cli.modeling.electra import ElectraModel

Tensors = dict[str, npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Link:
    """One tensor of Hugging Face's and the variable, or third of a variable, that it is.

    Attributes:
      variable: Path of attributes and indices in `ElectraModel`.
      tensor: Name in the state dictionary.
      transposed: The tensor is the variable transposed.
      third: Which third of the variable's last axis it is; None for all of it.
    """

    variable: str
    tensor: str
    transposed: bool = False
    third: int | None = None


def discriminator_links(config: Config) -> list[Link]:
    """The table of `ElectraForPreTraining`."""
    hidden = config.model.hidden_size
    return [
        *_embeddings(),
        *_encoder("discriminator", config, hidden),
        *_dense("replaced_token_head.dense", "discriminator_predictions.dense"),
        *_dense("replaced_token_head.output", "discriminator_predictions.dense_prediction"),
    ]


def generator_links(config: Config) -> list[Link]:
    """The table of `ElectraForMaskedLM`; its output matrix is the word table and not stored."""
    return [
        *_embeddings(),
        *_encoder("generator", config, config.generator_hidden_size),
        *_dense("masked_lm_head.dense", "generator_predictions.dense"),
        *_norm("masked_lm_head.norm", "generator_predictions.LayerNorm"),
        Link("masked_lm_head.bias", "generator_lm_head.bias"),
    ]


def _embeddings() -> list[Link]:
    ours, theirs = "embeddings", "electra.embeddings"
    return [
        Link(f"{ours}.words", f"{theirs}.word_embeddings.weight"),
        Link(f"{ours}.positions", f"{theirs}.position_embeddings.weight"),
        Link(f"{ours}.types", f"{theirs}.token_type_embeddings.weight"),
        *_norm(f"{ours}.norm", f"{theirs}.LayerNorm"),
    ]


def _encoder(network: str, config: Config, hidden: int) -> list[Link]:
    links = []
    if config.model.embedding_size != hidden:
        links += _dense(f"{network}.project", "electra.embeddings_project")
    for index in range(config.model.num_layers):
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


def to_tensors(model: ElectraModel, links: Mapping[str, Sequence[Link]]) -> dict[str, Tensors]:
    """Reads a model's variables into Hugging Face's tensors.

    Args:
      model: The model.
      links: The table of each part, e.g. {"discriminator": ..., "generator": ...}.

    Returns:
      The tensors of each part by name, float32.

    Raises:
      TrainingError: A trainable variable belongs to no tensor of any part, or the table names one
        that the model does not have.
    """
    used: dict[int, set[int | None]] = {}
    parts: dict[str, Tensors] = {}
    for part, table in links.items():
        parts[part] = {}
        for link in table:
            variable = _variable(model, link.variable)
            used.setdefault(id(variable), set()).add(link.third)
            parts[part][link.tensor] = _tensor(variable.numpy(), link)
    unmapped = [
        variable.name
        for variable in model.trainable_variables
        if used.get(id(variable)) not in ({None}, {0, 1, 2})
    ]
    if unmapped:
        raise TrainingError(
            f"variables without a place in Hugging Face's layout: {', '.join(unmapped)}"
        )
    return parts


def _variable(model: ElectraModel, path: str) -> Any:
    found: Any = model
    for name in path.split("."):
        try:
            found = found[int(name)] if name.isdigit() else getattr(found, name)
        except (AttributeError, IndexError) as error:
            raise TrainingError(f"the model has no variable {path}") from error
    if not hasattr(found, "numpy"):
        raise TrainingError(f"the model has no variable {path}")
    return found


def _tensor(values: npt.NDArray[np.float32], link: Link) -> npt.NDArray[np.float32]:
    if link.third is not None:
        values = np.split(values, 3, axis=-1)[link.third]
    return np.ascontiguousarray(values.T if link.transposed else values)


def discriminator_config(config: Config, *, pad_id: int) -> dict[str, Any]:
    """The config.json of `ElectraForPreTraining`."""
    return _config(
        config,
        architecture="ElectraForPreTraining",
        pad_id=pad_id,
        hidden=config.model.hidden_size,
        heads=config.model.num_attention_heads,
        intermediate=config.model.intermediate_size,
    )


def generator_config(config: Config, *, pad_id: int) -> dict[str, Any]:
    """The config.json of `ElectraForMaskedLM`, with the generator's own sizes."""
    return _config(
        config,
        architecture="ElectraForMaskedLM",
        pad_id=pad_id,
        hidden=config.generator_hidden_size,
        heads=config.generator_num_attention_heads,
        intermediate=config.generator_intermediate_size,
    )


def _config(
    config: Config, *, architecture: str, pad_id: int, hidden: int, heads: int, intermediate: int
) -> dict[str, Any]:
    model = config.model
    return {
        "architectures": [architecture],
        "model_type": "electra",
        "vocab_size": model.vocab_size,
        "embedding_size": model.embedding_size,
        "hidden_size": hidden,
        "num_hidden_layers": model.num_layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        "hidden_act": "gelu",
        "hidden_dropout_prob": model.hidden_dropout,
        "attention_probs_dropout_prob": model.attention_dropout,
        "max_position_embeddings": model.max_position_embeddings,
        "type_vocab_size": model.type_vocab_size,
        "initializer_range": model.initializer_range,
        "layer_norm_eps": 1e-12,
        "pad_token_id": pad_id,
        "tie_word_embeddings": True,
        "dtype": "float32",
    }

"""A checkpoint as google-research/electra writes it: its names, shapes and types."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_CONFIG_FILE
from electra_cli.export.checks.parity import Parity, compare
from electra_cli.export.checks.probe import make_probe
from electra_cli.export.formats.card import reference_card
from electra_cli.export.formats.given_tokenizer import write_given
from electra_cli.export.networks import networks_of
from electra_cli.files.layout import VOCABULARY_FILE
from electra_cli.interop.huggingface import network_configs
from electra_cli.interop.reference import to_reference
from electra_cli.interop.source import find_source
from electra_cli.interop.values import TOWERS, network_of, part_of
from electra_cli.interop.weights import load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable

PREFIX = "model.ckpt"

# What its configuration holds, in the words that Hugging Face's has too.
_KEYS = (
    "vocab_size",
    "hidden_size",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_act",
    "intermediate_size",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
)


def write(model: ElectraModel, item: Exportable, folder: Path) -> None:
    """Writes model.ckpt, its sizes in config.json, and the vocabulary into an existing folder.

    A tokenizer_config.json beside vocab.txt says whether case and accents matter. Another tokenizer
    than WordPiece, which the reference has no place for, is written as it was given.

    Raises:
      tf.errors.OpError: The disk is full, for example; also OSError.
    """
    values: dict[str, np.ndarray] = {
        name: array
        for name, array in to_reference(values_of(model)).items()
        if "generator" in item.networks or network_of(name) != "generator"
    }
    step = item.checkpoint.step if item.checkpoint else 0
    values["global_step"] = np.array(step, np.int64)
    tf.raw_ops.SaveV2(
        prefix=str(folder / PREFIX),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    # The state file by which the reference finds a folder's checkpoint.
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{PREFIX}"\n', encoding="utf-8")
    text = json.dumps(reference_config(item), indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    if (tokenizer := item.text_ids) and item.tokenizer is None:
        write_given(tokenizer, folder, max_length=item.max_length)
    elif tokenizer and item.tokenizer:
        (folder / VOCABULARY_FILE).write_bytes(tokenizer.content)
        casing = {
            "do_lower_case": item.tokenizer.lowercase,
            "strip_accents": item.tokenizer.strip_accents,
        }
        text = json.dumps(casing, indent=2) + "\n"
        (folder / TOKENIZER_CONFIG_FILE).write_text(text, encoding="utf-8")
    (folder / "README.md").write_text(reference_card(item), encoding="utf-8")


def reference_config(item: Exportable) -> dict[str, object]:
    """The sizes in the reference's words (model/modeling.py, `BertConfig`), of each network."""
    configs = network_configs(item.config, pad_id=item.special_ids.pad)
    networks: dict[str, dict[str, object]] = {
        name: {key: config[key] for key in _KEYS}
        for name, config in configs.items()
        if name in item.networks
    }
    embedding, own = item.config.model.embedding_size, Architecture.of(item.config).plain
    if "generator" in networks and own.own_embedding is not None:
        networks["generator"] |= {"embedding_size": own.own_embedding}
    return {**networks, "embedding_size": embedding}


def check(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Reads a checkpoint of the reference back and compares its networks by NumPy.

    Raises:
      DataError: A variable is missing.
      TrainingError: The networks differ by more than the bound.
    """
    again = ElectraModel(model.architecture)
    load_weights(again, find_source(folder), allow_missing=["generator"])
    probe = make_probe(item)
    pairs = [
        (ours.name, ours.own_outputs(probe)["logits"], theirs.numpy_outputs(probe)["logits"])
        for ours, theirs in zip(networks_of(model, item), networks_of(again, item), strict=True)
    ]
    if item.has_towers:
        # Nothing beside this package computes them: their weights are what is compared.
        written = values_of(again)
        pairs += [
            (name, ours, written[name])
            for name, ours in values_of(model).items()
            if part_of(name) in TOWERS
        ]
    return compare("numpy", pairs)

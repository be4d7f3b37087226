"""A checkpoint as google-research/electra writes it: its names, shapes and types."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.corpus.wordpiece.vocabulary_folder import CONFIG_FILE
from electra_cli.export.checks.reference_layout import PREFIX
from electra_cli.export.formats.card import reference_card
from electra_cli.export.sources.source import Source
from electra_cli.files.layout import VOCABULARY_FILE
from electra_cli.interop.reference import to_reference
from electra_cli.interop.weights import values_of
from electra_cli.modeling.electra import ElectraModel


def write(model: ElectraModel, source: Source, folder: Path) -> None:
    """Writes model.ckpt, its sizes in config.json, and the vocabulary into an existing folder.

    Beside vocab.txt a tokenizer_config.json says whether case and accents matter.

    Raises:
      tf.errors.OpError: The disk is full, for example; also OSError.
    """
    values: dict[str, np.ndarray] = {
        name: array
        for name, array in to_reference(values_of(model)).items()
        if source.has_generator or not name.startswith("generator")
    }
    step = source.checkpoint.step if source.checkpoint else 0
    values["global_step"] = np.array(step, np.int64)
    tf.raw_ops.SaveV2(
        prefix=str(folder / PREFIX),
        tensor_names=list(values),
        shape_and_slices=[""] * len(values),
        tensors=list(values.values()),
    )
    # The state file by which the reference finds a folder's checkpoint.
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "{PREFIX}"\n', encoding="utf-8")
    config = reference_config(source.config)
    text = json.dumps({k: v for k, v in config.items() if k not in _without(source)}, indent=2)
    (folder / "config.json").write_text(text + "\n", encoding="utf-8")
    if source.vocab is not None:
        shutil.copyfile(source.vocab, folder / VOCABULARY_FILE)
        casing = {
            "do_lower_case": source.tokenizer.lowercase,
            "strip_accents": source.tokenizer.strip_accents,
        }
        (folder / CONFIG_FILE).write_text(json.dumps(casing, indent=2) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(reference_card(source), encoding="utf-8")


def _without(source: Source) -> set[str]:
    return {"discriminator", "generator"} - set(source.networks)


def reference_config(config: Config) -> dict[str, object]:
    """The sizes in the reference's words (model/modeling.py, `BertConfig`), of both networks."""
    model = config.model

    def network(hidden: int, heads: int, intermediate: int) -> dict[str, object]:
        return {
            "vocab_size": model.vocab_size,
            "hidden_size": hidden,
            "num_hidden_layers": model.num_layers,
            "num_attention_heads": heads,
            "hidden_act": "gelu",
            "intermediate_size": intermediate,
            "hidden_dropout_prob": model.hidden_dropout,
            "attention_probs_dropout_prob": model.attention_dropout,
            "max_position_embeddings": model.max_position_embeddings,
            "type_vocab_size": model.type_vocab_size,
            "initializer_range": model.initializer_range,
        }

    return {
        "discriminator": network(
            model.hidden_size, model.num_attention_heads, model.intermediate_size
        ),
        "generator": network(
            config.generator_hidden_size,
            config.generator_num_attention_heads,
            config.generator_intermediate_size,
        ),
        "embedding_size": model.embedding_size,
    }

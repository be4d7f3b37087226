"""Model cards: what was exported, what it was trained on, how good it is and how to load it."""

from __future__ import annotations

from pathlib import Path

from electra_cli.config.sections import Network
from electra_cli.errors import counted
from electra_cli.export.formats.card_parts import (
    Rows,
    for_hub,
    network_facts,
    page,
    table,
    tokenizer_facts,
)
from electra_cli.export.formats.task_card import (
    task_huggingface_card,
    task_onnx_card,
    task_saved_model_card,
)
from electra_cli.modeling.architecture import Architecture, EncoderSizes
from electra_cli.sources.exportable import Exportable, held_out_metrics


def huggingface_card(item: Exportable, network: str) -> str:
    """The card of a folder for Hugging Face.

    Args:
      item: What is exported.
      network: discriminator, generator, or the kind of a task.
    """
    if item.finetuned is not None:
        return task_huggingface_card(item)
    return _generator_card(item) if network == "generator" else _discriminator_card(item)


def _discriminator_card(item: Exportable) -> str:
    beside = "; to fill masks, take `generator/`, which was trained beside it"
    card = _card(
        item,
        title="ELECTRA discriminator",
        use="The discriminator of an ELECTRA that was pretrained by replaced token detection. "
        f"**Fine-tune this model**{beside if item.has_generator else ''}.",
        load="from transformers import AutoModelForPreTraining, AutoTokenizer\n"
        'tokenizer = AutoTokenizer.from_pretrained("discriminator")\n'
        'model = AutoModelForPreTraining.from_pretrained("discriminator")  # logit > 0: replaced',
    )
    return for_hub("feature-extraction", card)


def _generator_card(item: Exportable) -> str:
    if "discriminator" in item.networks:
        title = "ELECTRA generator"
        use = (
            "The generator of an ELECTRA: the small masked language model that made the "
            "discriminator's training examples. **It fills masks**; to fine-tune, take "
            "`discriminator/`."
        )
    else:
        title = "Masked language model"
        use = (
            "An encoder of ELECTRA's architecture that was pretrained by masked language "
            "modelling, without a discriminator. **It fills masks, and is fine-tuned.**"
        )
    card = _card(
        item,
        title=title,
        use=use,
        load="from transformers import pipeline\n"
        'fill = pipeline("fill-mask", model="generator")\n'
        'print(fill("The capital of France is [MASK]."))',
        network="generator",
    )
    return for_hub("fill-mask", card)


def saved_model_card(item: Exportable) -> str:
    """The card of a SavedModel."""
    if item.finetuned is not None:
        return task_saved_model_card(item)
    return _card(
        item,
        title="ELECTRA discriminator, SavedModel",
        use="The discriminator of an ELECTRA that was pretrained by replaced token detection, "
        "with two signatures:\n\n"
        "- `serving_default` takes `input_ids`, `input_mask` and `segment_ids`, int32 [B, S] of "
        f"any B and of S up to {item.config.model.max_position_embeddings};\n"
        "- `text` takes strings [B], tokenizes them, adds [CLS] and [SEP], keeps the first "
        f"{counted(item.config.data.sequence_length, 'token')}, pads to the longest text, and also "
        "returns the `input_ids`.\n\n"
        "Both return `logits` [B, S] (above 0: the token was replaced) and `sequence_output` "
        f"[B, S, {item.config.model.hidden_size}].\n\n"
        "Loading it needs `import tensorflow_text` first (package `tensorflow-text`), which "
        "registers the operations of the tokenizer.",
        load="import tensorflow as tf, tensorflow_text\n"
        'model = tf.saved_model.load("FOLDER")\n'
        'model.signatures["text"](tf.constant(["The cat sat on the mat."]))',
    )


def onnx_card(item: Exportable) -> str:
    """The card of a folder with ONNX files."""
    if item.finetuned is not None:
        return task_onnx_card(item)
    return _card(
        item,
        title="ELECTRA discriminator, ONNX",
        use="The discriminator of an ELECTRA that was pretrained by replaced token detection, "
        "float32, for ONNX Runtime 1.12 and newer:\n\n"
        "- `discriminator.onnx` gives `logits` [B, S] (above 0: the token was replaced);\n"
        f"- `encoder.onnx` gives `sequence_output` [B, S, {item.config.model.hidden_size}].\n\n"
        "Both take `input_ids`, `input_mask` and `segment_ids`, int32 [B, S] of any B and of S up "
        f"to {item.config.model.max_position_embeddings}.",
        load="import onnxruntime\n"
        "from transformers import AutoTokenizer\n"
        'text = AutoTokenizer.from_pretrained("FOLDER")(["The cat sat."], return_tensors="np")\n'
        'session = onnxruntime.InferenceSession("FOLDER/discriminator.onnx")\n'
        "inputs = {\n"
        '    "input_ids": text["input_ids"].astype("int32"),\n'
        '    "input_mask": text["attention_mask"].astype("int32"),\n'
        '    "segment_ids": text["token_type_ids"].astype("int32"),\n'
        "}\n"
        'logits = session.run(["logits"], inputs)[0]',
    )


def reference_card(item: Exportable) -> str:
    """The card of a checkpoint of the reference."""
    main = item.networks[0]
    return _card(
        item,
        title="ELECTRA, checkpoint of google-research/electra",
        use=f"The {' and the '.join(item.networks)} of an ELECTRA in `model.ckpt`, under the "
        "names of google-research/electra, without the optimizer's slots. Fine-tune the "
        f"{main}, the variables below `electra/`. `config.json` holds the sizes.",
        network=main,
        load="import tensorflow as tf\n"
        'reader = tf.train.load_checkpoint("FOLDER/model.ckpt")\n'
        'reader.get_tensor("electra/embeddings/word_embeddings")',
    )


def _card(
    item: Exportable, *, title: str, use: str, load: str, network: Network = "discriminator"
) -> str:
    sizes: EncoderSizes = getattr(Architecture.of(item.config), network)
    sha256 = item.manifest.vocab.sha256 if item.manifest else None
    facts = [*network_facts(sizes), *_training(item), *tokenizer_facts(item, sha256)]
    metrics = held_out_metrics(item.checkpoint) if item.checkpoint else {}
    values = [(name, f"{value:.4f}") for name, value in metrics.items()]
    known = (
        table("metric", "value", values)
        if metrics
        else "Not known: this checkpoint was not evaluated during training."
        if item.checkpoint
        else "Not known: these weights were converted."
    )
    sections = [("Training", table("", "", facts)), ("On held-out text", known)]
    return page(title, use, load, sections)


def _training(item: Exportable) -> Rows:
    """What is known about the training; for weights of another project, where they were."""
    if item.checkpoint is None or item.manifest is None:
        return [("converted from", item.path.name)]
    config, manifest = item.config, item.manifest
    counts = manifest.counts
    name = Path(config.data.path).name if config.data.path else ""
    return [
        *([("data", name)] if name else []),
        ("steps", f"{item.checkpoint.step:,} of batch size {config.train.batch_size:,}"),
        ("sequence length in training", f"{config.data.sequence_length:,}"),
        ("documents", f"{counts.documents:,}, {counts.validation_documents:,} of them held out"),
        ("tokens", f"{counts.tokens:,}"),
        ("examples", f"{manifest.examples:,}, and {manifest.validation_examples:,} held out"),
    ]

"""Model cards: what was exported, what it was trained on, how good it is and how to load it."""

from __future__ import annotations

import json
from pathlib import Path

from electra_cli.config.choices import Network
from electra_cli.config.rules.batches import rows_in_words
from electra_cli.errors import counted
from electra_cli.export.formats.card_parts import (
    NEEDS_TEXT,
    Rows,
    for_hub,
    ids_code,
    network_facts,
    no_text,
    page,
    shown_token,
    table,
    tokenizer_code,
    tokenizer_facts,
)
from electra_cli.export.formats.task_card import (
    task_huggingface_card,
    task_onnx_card,
    task_saved_model_card,
)
from electra_cli.export.networks import takes_text
from electra_cli.metrics.names import format_flops
from electra_cli.modeling.architecture import Architecture, EncoderSizes
from electra_cli.runs.totals import totals_of
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
        use=f"{_discriminator(item)}. "
        f"**Fine-tune this model**{beside if 'generator' in item.networks else ''}."
        f"{_ENERGIES if item.is_electric else ''}",
        load="from transformers import AutoModelForPreTraining, AutoTokenizer\n"
        f"{tokenizer_code(item, 'discriminator')}\n"
        'model = AutoModelForPreTraining.from_pretrained("discriminator")'
        f"  # {'logits are energies' if item.is_electric else 'logit > 0: replaced'}",
    )
    return for_hub("feature-extraction", card)


def _discriminator(item: Exportable) -> str:
    if item.is_electric:
        return (
            "The discriminator of an Electric, an ELECTRA that was pretrained as an energy-based "
            "cloze model"
        )
    chance = item.config.objective.uniform_generator and item.finetuned is None
    filled = ", with tokens that chance had put in" if chance else ""
    return (
        f"The discriminator of an ELECTRA that was pretrained by replaced token detection{filled}"
    )


def _logits(item: Exportable) -> str:
    """What is said of a token."""
    if item.is_electric:
        return "the energy of each token: the less, the likelier it is where it stands"
    return "above 0: the token was replaced"


_ENERGIES = (
    "\n\nIts logits are energies: the less, the likelier a token is where it stands. They are "
    "**not** of the probability that a token was replaced. The negative sum of those of a text's "
    "tokens, without [CLS] and [SEP], is the text's pseudo-log-likelihood."
)


def _generator_card(item: Exportable) -> str:
    if "discriminator" in item.config.objective.networks:
        beside = "`discriminator/`" if "discriminator" in item.networks else "the discriminator"
        title = "ELECTRA generator"
        is_one = item.config.generator.sharing == "all"
        size, encoder = ("", ", with the same encoder") if is_one else ("small ", "")
        use = (
            f"The generator of an ELECTRA: the {size}masked language model that made the "
            f"discriminator's training examples{encoder}. **It fills masks**; to fine-tune, take "
            f"{beside}."
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
        load=_fill_masks(item),
        network="generator",
    )
    return for_hub("fill-mask", card)


def _fill_masks(item: Exportable) -> str:
    sentence = f"The capital of France is {shown_token(item, 'mask')}."
    code = tokenizer_code(item, "generator")
    # The pipeline loads the tokenizer itself where nothing is to be done to it.
    changed = "\n" in code
    given = ", tokenizer=tokenizer" if changed else ""
    load = f"from transformers import AutoTokenizer, pipeline\n{code}" if changed else ""
    return (
        f"{load or 'from transformers import pipeline'}\n"
        f'fill = pipeline("fill-mask", model="generator"{given})\n'
        f"print(fill({json.dumps(sentence, ensure_ascii=False)}))"
    )


def saved_model_card(item: Exportable) -> str:
    """The card of a SavedModel."""
    if item.finetuned is not None:
        return task_saved_model_card(item)
    has_text, model = takes_text(item), item.config.model
    return _card(
        item,
        title="ELECTRA discriminator, SavedModel",
        use=f"{_discriminator(item)}, with "
        f"{'two signatures' if has_text else 'one signature'}:\n\n"
        "- `serving_default` takes `input_ids`, `input_mask` and `segment_ids`, int32 [B, S] of "
        f"any B and of S up to {model.max_position_embeddings}"
        f"{_text_signature(item) if has_text else '.'}\n\n"
        f"{'Both return' if has_text else 'It returns'} `logits` [B, S] ({_logits(item)}) and "
        f"`sequence_output` [B, S, {model.hidden_size}].{_ENERGIES if item.is_electric else ''}"
        "\n\n"
        f"{NEEDS_TEXT if has_text else no_text(item)}",
        load="import tensorflow as tf, tensorflow_text\n"
        'model = tf.saved_model.load("FOLDER")\n'
        'model.signatures["text"](tf.constant(["The cat sat on the mat."]))'
        if has_text
        else ids_code(item),
    )


def _text_signature(item: Exportable) -> str:
    return (
        ";\n- `text` takes strings [B], tokenizes them, adds [CLS] and [SEP], keeps the first "
        f"{counted(item.config.data.sequence_length, 'token')}, pads to the longest text, and also "
        "returns the `input_ids`."
    )


def onnx_card(item: Exportable) -> str:
    """The card of a folder with ONNX files."""
    if item.finetuned is not None:
        return task_onnx_card(item)
    return _card(
        item,
        title="ELECTRA discriminator, ONNX",
        use=f"{_discriminator(item)}, float32, for ONNX Runtime 1.12 and newer:\n\n"
        f"- `discriminator.onnx` gives `logits` [B, S] ({_logits(item)});\n"
        f"- `encoder.onnx` gives `sequence_output` [B, S, {item.config.model.hidden_size}].\n\n"
        "Both take `input_ids`, `input_mask` and `segment_ids`, int32 [B, S] of any B and of S up "
        f"to {item.config.model.max_position_embeddings}."
        f"{_ENERGIES if item.is_electric else ''}",
        load="import onnxruntime\n"
        "from transformers import AutoTokenizer\n"
        f"{tokenizer_code(item, 'FOLDER')}\n"
        'text = tokenizer(["The cat sat."], return_tensors="np")\n'
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
    towers = {"generator": "two towers"} if item.has_towers else {}
    parts = [towers.get(name, name) for name in item.networks]
    return _card(
        item,
        title="ELECTRA, checkpoint of google-research/electra",
        use=f"The {' and the '.join(parts)} of an ELECTRA in `model.ckpt`, under the "
        "names of google-research/electra, without the optimizer's slots. Fine-tune the "
        f"{main}, the variables below `electra/`. `config.json` holds the sizes."
        f"{_not_its_words(item)}{_ENERGIES if item.is_electric else ''}",
        network=main,
        load="import tensorflow as tf\n"
        'reader = tf.train.load_checkpoint("FOLDER/model.ckpt")\n'
        'reader.get_tensor("electra/embeddings/word_embeddings")',
    )


def _not_its_words(item: Exportable) -> str:
    if item.vocab is None or item.tokenizer is not None:
        return ""
    return (
        " Its tokenizer is no WordPiece, so there is no vocab.txt: google-research/electra cannot "
        "make ids of text for it, and `tokenizer.json` is for the library tokenizers."
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


_WITHIN = "within each document of a row, up to its [SEP]; this model attends to the whole row"


def _training(item: Exportable) -> Rows:
    """What is known about the training; for weights of another project, where they were."""
    if item.checkpoint is None or item.manifest is None:
        return [("converted from", item.path.name)]
    config, manifest = item.config, item.manifest
    counts, step = manifest.counts, item.checkpoint.step
    flops = totals_of(item.checkpoint.run, config, step).flops
    # A card is published: no more than the name, also of a place in a store.
    name = Path(item.checkpoint.run.data_url or config.data.path or "").name
    return [
        *([("data", name)] if name else []),
        ("steps", f"{step:,} of batch size {rows_in_words(config.train)}"),
        ("FLOPs", f"{format_flops(flops)}, padding included"),
        ("sequence length in training", f"{config.data.sequence_length:,}"),
        *([("attention in training", _WITHIN)] if config.model.document_attention else []),
        ("documents", f"{counts.documents:,}, {counts.validation_documents:,} of them held out"),
        ("tokens", f"{counts.tokens:,}"),
        ("examples", f"{manifest.examples:,}, and {manifest.validation_examples:,} held out"),
    ]

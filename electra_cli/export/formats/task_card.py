"""Model cards of fine-tuned models: the task, the recipe, the scores, and how to load them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from electra_cli.config.finetune import Kind
from electra_cli.errors import counted
from electra_cli.export.formats.card_parts import (
    NEEDS_TEXT,
    Rows,
    for_hub,
    ids_code,
    network_facts,
    no_text,
    page,
    table,
    tokenizer_code,
    tokenizer_facts,
)
from electra_cli.export.formats.given_tokenizer import splits_words
from electra_cli.export.networks import finetuned_of, takes_text
from electra_cli.files.layout import RESULT_FILE
from electra_cli.interop.huggingface import output_names, task_config
from electra_cli.metrics.names import format_flops
from electra_cli.modeling.architecture import Architecture
from electra_cli.sources.exportable import Exportable
from electra_cli.sources.finetuned import Finetuned

_PIPELINES: Mapping[Kind, str] = {
    "classification": "text-classification",
    "regression": "text-classification",
    "tagging": "token-classification",
    "qa": "question-answering",
}
_SAVED_MODEL = "SavedModel"
# What is given to a tokenizer, by the kind, or for pairs of texts.
_GIVEN = {
    "text": '"The cat sat on the mat."',
    "pair": '"The cat sat on the mat.", "A cat is sitting."',
    "tagging": '["The", "cat", "sat"], is_split_into_words=True',
    "qa": '"Who sat?", "The cat sat on the mat."',
}
_USED = {
    "classification": "label = model.config.id2label[int(output.logits.argmax())]",
    "regression": "number = output.logits.item()",
    "tagging": "best, words = output.logits[0].argmax(-1).tolist(), text.word_ids()\n"
    "tags = [\n"
    "    model.config.id2label[best[words.index(word)]]  # of the first word piece\n"
    "    for word in sorted(set(words) - {None})\n"
    "]",
    "qa": "context = torch.tensor([[part == 1 for part in text.sequence_ids()]])\n"
    "start = int(output.start_logits.masked_fill(~context, -1e4).argmax())\n"
    "end = start + int(output.end_logits.masked_fill(~context, -1e4)[0, start:].argmax())\n"
    'answer = tokenizer.decode(text["input_ids"][0, start : end + 1])',
}
# Of a tokenizer whose words need the space before them, which words that stand alone do not have.
_WORD_BY_WORD = """\
words = ["The", "cat", "sat"]
parts = [
    tokenizer(" " * (place > 0) + word, add_special_tokens=False)["input_ids"]
    for place, word in enumerate(words)
]
output = model(torch.tensor([[{ids.cls}, *sum(parts, []), {ids.sep}]]))
best = output.logits[0].argmax(-1).tolist()
tags = [  # of the first token of each word
    model.config.id2label[best[1 + sum(map(len, parts[:place]))]] for place in range(len(words))
]"""


def task_huggingface_card(item: Exportable) -> str:
    """The card of a folder for Hugging Face."""
    model = finetuned_of(item)
    kind = model.config.task.kind
    (name,) = task_config(model.sizes, kind, model.inputs.labels, pad_id=0)["architectures"]
    by_word = kind == "tagging" and not _splits_words(item)
    use = (
        _WORD_BY_WORD.format(ids=item.special_ids)
        if by_word
        else f'text = tokenizer({_given(model)}, truncation=True, return_tensors="pt")\n'
        f"output = model(**text)\n{_USED[kind]}"
    )
    load = (
        f"{'import torch' + chr(10) if by_word or kind == 'qa' else ''}"
        f"from transformers import AutoTokenizer, {name}\n"
        f"{tokenizer_code(item, 'FOLDER', templates=not by_word)}\n"
        f'model = {name}.from_pretrained("FOLDER")\n'
        f"{use}"
    )
    return for_hub(_PIPELINES[kind], _card(item, "transformers", "", load))


def task_onnx_card(item: Exportable) -> str:
    """The card of a folder with an ONNX file."""
    model = finetuned_of(item)
    names = output_names(task_config(model.sizes, model.config.task.kind, (), pad_id=0))
    use = (
        "`model.onnx`, float32, for ONNX Runtime 1.12 and newer, takes `input_ids`, `input_mask` "
        "and `segment_ids`, int32 [B, S] of any B and of S up to "
        f"{model.sizes.model.max_position_embeddings}, and gives {_outputs(model, names)}."
    )
    load = (
        "import onnxruntime\n"
        "from transformers import AutoTokenizer\n"
        f"{tokenizer_code(item, 'FOLDER')}\n"
        f'text = tokenizer({_given(model)}, truncation=True, return_tensors="np")\n'
        'session = onnxruntime.InferenceSession("FOLDER/model.onnx")\n'
        "inputs = {\n"
        '    "input_ids": text["input_ids"].astype("int32"),\n'
        '    "input_mask": text["attention_mask"].astype("int32"),\n'
        '    "segment_ids": text["token_type_ids"].astype("int32"),\n'
        "}\n"
        f"{', '.join(names)}{'' if len(names) > 1 else ','} = session.run({list(names)}, inputs)"
    ).replace("'", '"')
    return _card(item, "ONNX", use, load)


def task_saved_model_card(item: Exportable) -> str:
    """The card of a SavedModel."""
    model = finetuned_of(item)
    task, positions = model.config.task, model.sizes.model.max_position_embeddings
    use = (
        "`serving_default` takes `input_ids`, `input_mask` and `segment_ids`, int32 [B, S] of any "
        f"B and of S up to {positions}, and gives {_saved_outputs(model)}."
    )
    load = ids_code(item)
    if item.tokenizer is None and item.vocab is not None:
        use += f"\n\n{no_text(item)}"
    if takes_text(item):
        names = ("text", "text_pair")[: len(task.texts)]
        use += (
            f"\n\n`text` takes {' and '.join(f'`{name}`' for name in names)}, strings [B], "
            "tokenizes them, adds [CLS] and [SEP], keeps "
            f"{counted(task.max_length, 'token')}, pads to the longest row, and also gives the "
            "`input_ids`.\n\n"
            f"{NEEDS_TEXT}"
        )
        texts = _given(model).split(", ")
        given = ", ".join(
            f"{name}=tf.constant([{text}])" for name, text in zip(names, texts, strict=True)
        )
        load = (
            "import tensorflow as tf, tensorflow_text\n"
            'model = tf.saved_model.load("FOLDER")\n'
            f'outputs = model.signatures["text"]({given})'
        )
    return _card(item, _SAVED_MODEL, use, load)


def _splits_words(item: Exportable) -> bool:
    """Whether transformers gives words that stand alone the ids that they were trained with."""
    tokenizer = item.text_ids
    return tokenizer is None or item.tokenizer is not None or splits_words(tokenizer)


def _given(model: Finetuned) -> str:
    task = model.config.task
    return _GIVEN.get(task.kind, _GIVEN["pair" if len(task.texts) > 1 else "text"])


def _outputs(model: Finetuned, names: tuple[str, ...]) -> str:
    classes = len(model.inputs.labels)
    shapes: Mapping[Kind, str] = {
        "classification": f"[B, {classes}]",
        "regression": "[B, 1], the number",
        "tagging": f"[B, S, {classes}]",
        "qa": "[B, S]",
    }
    return " and ".join(f"`{name}`" for name in names) + f" {shapes[model.config.task.kind]}"


def _saved_outputs(model: Finetuned) -> str:
    kind = model.config.task.kind
    if kind == "qa" and model.head.style == "reference":
        return (
            "what the reference's head says: `start_logits` [B, S]; `answerable_logit` [B], high "
            "where there is no answer; `start_top_log_probs` and `start_top_index` [B, K], the "
            f"best starts, K up to {model.head.beam}; `end_top_log_probs` and `end_top_index` "
            "[B, K, K], the best ends of each"
        )
    if kind == "qa":
        return _outputs(model, ("start_logits", "end_logits"))
    return _outputs(model, ("logits", "probabilities") if kind != "regression" else ("logits",))


def _card(item: Exportable, format: str, use: str, load: str) -> str:
    model = finetuned_of(item)
    task, preset = model.config.task, Path(model.config.preset).stem  # or a file
    name = task.kind if preset == task.kind else f"{preset} ({task.kind})"
    uses = [_use(model), *([use] if use else [])]
    if len(task.texts) > 1 and format != _SAVED_MODEL:
        uses.append(
            "Where both texts of a pair are cut, AutoTokenizer may leave the second one a token "
            "more, and the first one a token less, than the training did."
        )
    facts = [*_recipe(model), *network_facts(Architecture.of(model.sizes).main)]
    facts += tokenizer_facts(item, model.inputs.vocab_sha256)
    sections = [("Training", table("", "", facts)), ("Scores", _scores(model))]
    return page(f"ELECTRA, fine-tuned for {name}, {format}", "\n\n".join(uses), load, sections)


def _use(model: Finetuned) -> str:
    task, labels = model.config.task, model.inputs.labels
    what = "a pair of texts" if len(task.texts) > 1 else "a text"
    numbered = ", ".join(f"{number} `{label}`" for number, label in enumerate(labels))
    if task.kind == "classification":
        return f"It tells the label of {what}. Labels: {numbered}."
    if task.kind == "regression":
        least, greatest = labels
        return (
            f"It tells a number of {what}, in the numbers of the data. It has learned those from "
            f"{least} to {greatest} as numbers from 0 to 1; what takes them back is part of its "
            "last layer."
        )
    if task.kind == "tagging":
        return (
            "It tags words: the first word piece of a word has its tag, and those of the others "
            f"mean nothing. Tags: {numbered}."
        )
    threshold = model.result.get("threshold")
    odds = (
        "`answerable_logit`"
        if task.head == "reference"
        else "the score of position 0, its start logit plus its end logit, less that of the answer"
    )
    nothing = "" if threshold is None else f" No answer is meant where {odds} is above {threshold}."
    return (
        "It finds the answer to a question in a context, which is the second text. Positions "
        "outside of the context are to be masked before the best start and the best end are "
        f"looked for; position 0 means that there is no answer.{nothing} A long context was given "
        f"to it in windows of {counted(task.max_length, 'token')}, question included, each "
        f"{counted(task.doc_stride, 'token')} behind the last."
    )


def _recipe(model: Finetuned) -> Rows:
    config, inputs, result = model.config, model.inputs, model.result
    recipe, train = config.optimizer, config.train
    decay = "none" if recipe.layer_decay == "none" else f"{recipe.decay_factor}"
    files = [(f"data, {name}", Path(file.path).name) for name, file in inputs.files.items()]
    cost = model.result.get("pretraining_flops")
    return [
        ("fine-tuned from", Path(inputs.source).name or inputs.source),
        *([("FLOPs of its pretraining", format_flops(cost))] if cost else []),
        *files,
        ("updates", f"{model.checkpoint.step:,} of batch size {train.batch_size:,}"),
        ("epochs", f"{train.epochs:g}"),
        ("learning rate", f"{recipe.learning_rate}"),
        ("its decay from layer to layer", decay),
        ("warm-up", f"{recipe.warmup_proportion:g} of the updates"),
        ("weight decay", f"{recipe.weight_decay:g}"),
        ("seed", f"{result.get('seed', 'not known')}"),
        ("head", config.task.head),
        ("tokens of a row", f"{config.task.max_length:,}"),
    ]


def _scores(model: Finetuned) -> str:
    """The scores of the run, and those of all seeds where all are finished."""
    metrics: Mapping[str, float | None] = model.result.get("metrics") or {}
    rows = [(name, f"{value:.4f}") for name, value in metrics.items() if value is not None]
    told = [table("score", "of this model", rows)] if rows else ["Not known."]
    if (seeds := _seeds(model)) is not None:
        told.append(seeds)
    return "\n\n".join(told)


def _seeds(model: Finetuned) -> str | None:
    path = model.folder / RESULT_FILE
    if not path.is_file():
        return None
    try:
        result: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        name = model.result["column"]
        column = next(each for each in result["columns"] if each["column"] == name)
        runs = len(column["runs"])
        if runs < 2:
            return None
        values = {key: column[key] for key in ("median", "mean", "standard_deviation")}
        told = {key: "not known" if v is None else f"{v:.4f}" for key, v in values.items()}
    except (ValueError, KeyError, TypeError, StopIteration):
        return None
    return (
        f"Over {runs} seeds `{result['metric']}` has median {told['median']}, mean "
        f"{told['mean']} and standard deviation {told['standard_deviation']}."
    )

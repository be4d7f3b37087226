"""Exports of fine-tuned models, opened as their readers will, say what the model says.

Shapes: B batch, S sequence.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
import torch
import transformers

from electra_cli.config.finetune import Kind
from electra_cli.corpus.wordpiece.vocabulary import load_vocabulary
from electra_cli.corpus.wordpiece.wordpiece_tokenizer import WordPieceTokenizer
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.finetuning.examples.example import Sentence, TextExample
from electra_cli.finetuning.features import sequences, words
from electra_cli.finetuning.features.sequences import TargetRange
from electra_cli.modeling.task_model import TaskModel
from electra_cli.sources.exportable import Exportable
from tests.export.formats.conftest import TaskExports, Tasks
from tests.finetuning.finetuned_folders import KINDS, LABELS, LENGTH, STEP

ARCHITECTURES: dict[Kind, str] = {
    "classification": "ElectraForSequenceClassification",
    "regression": "ElectraForSequenceClassification",
    "tagging": "ElectraForTokenClassification",
    "qa": "ElectraForQuestionAnswering",
}
POSITIONS = 24
FORMATS = ("huggingface", "onnx", "saved-model")
TEXTS = ["the cat sat on the mat", "", "naïve cat's [SEP] sitting " * 2, "the " * 30, "中the, " * 9]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.utils.logging.disable_progress_bar()


def expected(kind: Kind, model: TaskModel, probe: Probe) -> dict[str, np.ndarray]:
    """What the model says, a number of a regression as the data has it."""
    said = {name: v.numpy() for name, v in model(probe.features(), training=False).items()}
    if kind == "regression":
        said = {"logits": TargetRange.of(LABELS[kind]).restored(said["predictions"])[:, None]}
    return said


def probes(item: Exportable) -> list[Probe]:
    """The probe of the check, one row of it, and a batch as long as the model can."""
    whole = make_probe(item)
    ids = np.random.default_rng(1).integers(4, 200, size=(2, POSITIONS)).astype(np.int32)
    longest = Probe(ids, np.ones_like(ids), np.zeros_like(ids))
    return [whole, Probe(whole.ids[:1], whole.mask[:1], whole.segments[:1]), longest]


def assert_close(found: dict[str, np.ndarray], ours: dict[str, np.ndarray]) -> None:
    for name, values in found.items():
        bound = 1e-4 * max(1, np.abs(ours[name]).max())
        np.testing.assert_allclose(values, ours[name], rtol=0, atol=bound, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_transformers(task_exports: TaskExports, tasks: Tasks, kind: Kind) -> None:
    item, model = tasks(kind)
    exported = task_exports("huggingface", kind)
    assert exported.files == [
        "README.md", "config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    assert exported.parity.method == "transformers"
    loaded, info = getattr(transformers, ARCHITECTURES[kind]).from_pretrained(
        exported.output, output_loading_info=True
    )
    faults = ("missing_keys", "unexpected_keys", "mismatched_keys")
    assert {fault: list(info[fault]) for fault in faults} == {fault: [] for fault in faults}
    for probe in probes(item):
        with torch.no_grad():
            output = loaded.eval()(
                input_ids=torch.from_numpy(probe.ids).long(),
                attention_mask=torch.from_numpy(probe.mask).long(),
                token_type_ids=torch.from_numpy(probe.segments).long(),
            )
        assert_close({k: v.numpy() for k, v in output.items()}, expected(kind, model, probe))


@pytest.mark.parametrize("kind", ["classification", "tagging"])
def test_labels_are_in_the_configuration(task_exports: TaskExports, kind: Kind) -> None:
    loaded = transformers.AutoConfig.from_pretrained(task_exports("huggingface", kind).output)
    assert loaded.id2label == dict(enumerate(LABELS[kind]))
    assert loaded.label2id == {label: number for number, label in enumerate(LABELS[kind])}
    single = "single_label_classification"
    assert loaded.problem_type == (single if kind == "classification" else None)


def test_a_regression_has_one_output(task_exports: TaskExports) -> None:
    loaded = transformers.AutoConfig.from_pretrained(
        task_exports("huggingface", "regression").output
    )
    assert (loaded.num_labels, loaded.problem_type) == (1, "regression")


def test_the_librarys_pipelines_say_labels_and_numbers(task_exports: TaskExports) -> None:
    for kind, task in (("classification", "text-classification"), ("tagging", "ner")):
        folder = str(task_exports("huggingface", kind).output)
        found = transformers.pipeline(task, model=folder, tokenizer=folder, device="cpu")(
            "the cat sat"
        )
        key = "label" if kind == "classification" else "entity"
        assert {one[key] for one in found} <= set(LABELS[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_onnx(task_exports: TaskExports, tasks: Tasks, kind: Kind) -> None:
    item, model = tasks(kind)
    exported = task_exports("onnx", kind)
    assert exported.files == [
        "README.md", "model.onnx", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    path = exported.output / "model.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    assert names == (["start_logits", "end_logits"] if kind == "qa" else ["logits"])
    declared = [value.shape for value in session.get_outputs()]
    for probe in probes(item):
        values = session.run(
            None,
            {"input_ids": probe.ids, "input_mask": probe.mask, "segment_ids": probe.segments},
        )
        found = dict(zip(names, values, strict=True))
        assert_close(found, expected(kind, model, probe))
        sizes = {"batch": len(probe.ids), "length": probe.ids.shape[1]}
        for value, shape in zip(values, declared, strict=True):
            assert value.shape == tuple(sizes.get(size, size) for size in shape)


@pytest.mark.parametrize("head", ["huggingface", "reference"])
@pytest.mark.parametrize("kind", KINDS)
def test_saved_model(task_exports: TaskExports, tasks: Tasks, kind: Kind, head: str) -> None:
    item, model = tasks(kind, head)
    exported = task_exports("saved-model", kind, head)
    assert exported.parity.method == ("numpy" if head == "huggingface" else "tensorflow")
    signatures = tf.saved_model.load(str(exported.output)).signatures
    assert ("text" in signatures) == (kind in ("classification", "regression"))
    for probe in probes(item):
        found = {
            name: values.numpy()
            for name, values in signatures["serving_default"](
                input_ids=tf.constant(probe.ids),
                input_mask=tf.constant(probe.mask),
                segment_ids=tf.constant(probe.segments),
            ).items()
        }
        ours = expected(kind, model, probe)
        if kind in ("classification", "tagging"):
            powers = np.exp(ours["logits"])
            ours["probabilities"] = powers / powers.sum(-1, keepdims=True)
        assert found.keys() == ours.keys()
        # The order of ends that are impossible, all as good as the others, is nobody's choice.
        compared = [name for name in found if not name.startswith("end_top")]
        assert_close({name: found[name] for name in compared}, ours)


@pytest.mark.parametrize("text", ["a", "a,b"])
def test_text_makes_the_rows_of_the_training(
    task_exports: TaskExports, tasks: Tasks, text: str
) -> None:
    item, _ = tasks("classification", "huggingface", text)
    assert item.finetuned is not None
    assert item.vocab is not None
    signatures = tf.saved_model.load(
        str(task_exports("saved-model", "classification", "huggingface", text).output)
    ).signatures
    pairs = [(one, two) if text == "a,b" else (one,) for one in TEXTS for two in TEXTS]
    encoded = sequences.encode(
        [TextExample(pair, None, "") for pair in pairs],
        WordPieceTokenizer(load_vocabulary(item.vocab), item.tokenizer),
        item.finetuned.config.task,
        LABELS["classification"],
        training=False,
    ).rows.columns
    named = dict(zip(("text", "text_pair"), map(list, zip(*pairs, strict=True)), strict=False))
    found = signatures["text"](**{name: tf.constant(texts) for name, texts in named.items()})
    np.testing.assert_array_equal(found["input_ids"], encoded["input_ids"])
    again = signatures["serving_default"](
        **{key: tf.constant(encoded[key]) for key in ("input_ids", "input_mask", "segment_ids")}
    )
    np.testing.assert_allclose(found["logits"], again["logits"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("text", ["a", "a,b"])
def test_no_texts_have_no_rows(task_exports: TaskExports, text: str) -> None:
    output = task_exports("saved-model", "classification", "huggingface", text).output
    serve = tf.saved_model.load(str(output)).signatures["text"]
    names = ("text", "text_pair")[: len(text.split(","))]
    found = serve(**{name: tf.constant([], tf.string) for name in names})
    assert found["logits"].shape == (0, 3)
    assert found["input_ids"].shape == (0, 2)


def test_the_tokenizer_cuts_at_the_length_of_the_task(task_exports: TaskExports) -> None:
    folder = task_exports("huggingface", "tagging").output
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    assert tokenizer.model_max_length == LENGTH
    assert len(tokenizer("the " * 40, truncation=True)["input_ids"]) == LENGTH


def test_words_have_the_ids_and_places_of_the_training(
    task_exports: TaskExports, tasks: Tasks
) -> None:
    """Each word has the tag of the first of its word pieces, by both tokenizers."""
    item, _ = tasks("tagging")
    assert item.finetuned is not None
    assert item.vocab is not None
    given = ("The", "NAÏVE", "cat's", "", "中the", "\u200b", "xyz", "ΣΑΣ")
    columns = words.encode(
        [Sentence(given, None, "")],
        WordPieceTokenizer(load_vocabulary(item.vocab), item.tokenizer),
        item.finetuned.config.task,
        LABELS["tagging"],
        training=False,
    ).rows.columns
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        task_exports("huggingface", "tagging").output
    )
    found = tokenizer(
        list(given), is_split_into_words=True, padding="max_length", max_length=LENGTH
    )
    assert found["input_ids"] == columns["input_ids"][0].tolist()
    assert found["token_type_ids"] == columns["segment_ids"][0].tolist()
    there = columns["labels_mask"][0] > 0
    places = [found.word_ids().index(word) for word in np.flatnonzero(there)]
    assert places == columns["labeled_positions"][0][there].tolist()


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_code_of_the_card_runs(task_exports: TaskExports, kind: Kind, format: str) -> None:
    output = task_exports(format, kind).output
    card = (output / "README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0].replace("FOLDER", str(output))
    found: dict[str, Any] = {}
    exec(code, found)
    if format == "huggingface":
        results = {"label": LABELS["classification"], "tags": LABELS["tagging"]}
        for name in found.keys() & results.keys():
            told = found[name] if isinstance(found[name], list) else [found[name]]
            assert set(told) <= set(results[name])
        assert found.keys() & {"label", "number", "tags", "answer"}


def test_the_code_for_pairs_runs(task_exports: TaskExports) -> None:
    for format in ("huggingface", "saved-model"):
        output = task_exports(format, "classification", "huggingface", "a,b").output
        card = (output / "README.md").read_text(encoding="utf-8")
        assert "a pair of texts" in card
        assert ("a token more" in card) == (format == "huggingface")
        exec(card.split("```python\n")[1].split("```")[0].replace("FOLDER", str(output)), {})


WORDS: dict[Kind, tuple[str, ...]] = {
    "classification": ("0 `no`, 1 `yes`", "accuracy | 0.7500", "median 0.6250"),
    "regression": ("from 1.0 to 4.5", "numbers of the data"),
    "tagging": ("the first word piece of a word", "2 `O`"),
    "qa": ("outside of the context are to be masked", "above -2.5"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_cards(task_exports: TaskExports, kind: Kind) -> None:
    for format in FORMATS:
        card = (task_exports(format, kind).output / "README.md").read_text(encoding="utf-8")
        for told in (
            *WORDS[kind],
            f"fine-tuned for {kind}",
            "| FLOPs of its pretraining | 1.50e15 |",
            "| data, train | train.tsv |",
            f"| updates | {STEP} of batch size 32 |",
            "| learning rate | 0.0003 |",
            "standard deviation 0.1768",
        ):
            assert told in card, (format, told)
        assert card.startswith("---\nlibrary_name: transformers") == (format == "huggingface")


def test_the_card_of_a_reference_head_names_what_it_says(
    task_exports: TaskExports, tasks: Tasks
) -> None:
    output = task_exports("saved-model", "qa", "reference").output
    card = (output / "README.md").read_text(encoding="utf-8")
    item, model = tasks("qa", "reference")
    for name in expected("qa", model, make_probe(item)):
        assert f"`{name}`" in card
    assert "`answerable_logit` is above -2.5" in card


def test_the_configuration_is_json_that_keeps_letters(task_exports: TaskExports) -> None:
    path: Path = task_exports("huggingface", "classification").output / "config.json"
    text = path.read_text(encoding="utf-8")
    assert "später | vielleicht" in text
    assert json.loads(text)["architectures"] == ["ElectraForSequenceClassification"]

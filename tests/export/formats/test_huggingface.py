"""Hugging Face transformers loads the two folders completely, and computes what we compute."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from safetensors import safe_open

from electra_cli.corpus.wordpiece.vocabulary import SPECIAL_TOKENS
from electra_cli.export.checks.probe import make_probe
from electra_cli.export.run import Exported, export
from electra_cli.metrics.names import format_flops
from electra_cli.modeling.budget import budget_of
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable
from tests.export.runs import write_run
from tests.ids import line_ids

FAULTS = ("missing_keys", "unexpected_keys", "mismatched_keys")


@pytest.fixture(autouse=True)
def _quiet() -> None:
    transformers.utils.logging.disable_progress_bar()


@pytest.mark.parametrize(
    ("name", "architecture"),
    [("discriminator", "ElectraForPreTraining"), ("generator", "ElectraForMaskedLM")],
)
def test_loads_completely_with_the_same_logits(
    huggingface: Exported, model: ElectraModel, source: Exportable, name: str, architecture: str
) -> None:
    loaded, info = getattr(transformers, architecture).from_pretrained(
        huggingface.output / name, output_loading_info=True
    )
    assert {fault: list(info[fault]) for fault in FAULTS} == {fault: [] for fault in FAULTS}
    batch = make_probe(source)
    features = batch.features()
    ours = (
        model.discriminate(features["masked_input_ids"], features)[0]
        if name == "discriminator"
        else model.generate(features)
    ).numpy()
    with torch.no_grad():
        theirs = loaded.eval()(
            input_ids=torch.from_numpy(batch.ids).long(),
            attention_mask=torch.from_numpy(batch.mask).long(),
            token_type_ids=torch.from_numpy(batch.segments).long(),
        ).logits.numpy()
    assert theirs.dtype == np.float32
    assert np.abs(theirs - ours).max() <= 1e-4 * max(1, np.abs(ours).max())


def test_the_encoder_loads_and_gives_the_sequence_output(
    huggingface: Exported, model: ElectraModel, source: Exportable
) -> None:
    loaded, info = transformers.ElectraModel.from_pretrained(
        huggingface.output / "discriminator", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["mismatched_keys"]
    # The encoder has no head; nothing but the head is left over.
    assert all(key.startswith("discriminator_predictions.") for key in info["unexpected_keys"])
    batch = make_probe(source)
    features = batch.features()
    ours = model.discriminate(features["masked_input_ids"], features)[1].numpy()
    with torch.no_grad():
        theirs = loaded.eval()(
            input_ids=torch.from_numpy(batch.ids).long(),
            attention_mask=torch.from_numpy(batch.mask).long(),
            token_type_ids=torch.from_numpy(batch.segments).long(),
        ).last_hidden_state.numpy()
    np.testing.assert_allclose(theirs, ours, rtol=0, atol=1e-4)


def test_files_and_parity(huggingface: Exported) -> None:
    names = [
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.txt",
    ]
    assert huggingface.files == [
        f"{part}/{name}" for part in ("discriminator", "generator") for name in names
    ]
    assert sorted(huggingface.files) == sorted(
        str(path.relative_to(huggingface.output))
        for path in huggingface.output.rglob("*")
        if path.is_file()
    )
    assert huggingface.parity.method == "transformers"
    assert 0 < huggingface.parity.max_abs_difference <= huggingface.parity.bound


def test_files_are_as_readable_as_any_other(huggingface: Exported, tmp_path: Path) -> None:
    (tmp_path / "any").touch()
    mode = (tmp_path / "any").stat().st_mode
    assert {(huggingface.output / name).stat().st_mode for name in huggingface.files} == {mode}


def test_tensors_are_float32_and_marked_for_pytorch(huggingface: Exported) -> None:
    path = huggingface.output / "generator" / "model.safetensors"
    with safe_open(path, framework="np") as file:
        assert file.metadata() == {"format": "pt"}
        names = list(file.keys())
        assert {file.get_tensor(name).dtype for name in names} == {np.dtype(np.float32)}
        assert "generator_lm_head.weight" not in names


LINES = [
    "the cat sat on the mat",
    "The NAÏVE cat's Straße, sitting; 中中!",
    "a" * 150,
    "a" * 201,
    "",
    "\tthe\u00a0cat\x00 sat ",
]


@pytest.mark.parametrize(
    ("lowercase", "strip_accents"), [(True, True), (False, False), (True, False)]
)
def test_auto_tokenizer_gives_the_ids_of_the_data(
    tmp_path: Path, lowercase: bool, strip_accents: bool
) -> None:
    run = write_run(tmp_path / "run", lowercase=lowercase, strip_accents=strip_accents)
    output = tmp_path / "out"
    export(checkpoint=run, format="huggingface", output=output)
    loaded = transformers.AutoTokenizer.from_pretrained(output / "discriminator")
    vocab, cls, sep = run / "data" / "vocab.txt", loaded.cls_token_id, loaded.sep_token_id
    for line in LINES:
        ours = line_ids(line, vocab, lowercase=lowercase, strip_accents=strip_accents)
        assert loaded(line)["input_ids"] == [cls, *ours, sep], line


def test_auto_tokenizer_behaves_as_fine_tuning_expects(huggingface: Exported) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(huggingface.output / "generator")
    assert tokenizer.model_max_length == 24
    assert set(tokenizer.all_special_tokens) == set(SPECIAL_TOKENS)
    pair = tokenizer("the cat", "sat", padding="max_length", max_length=8)
    cls, sep, pad = tokenizer.cls_token_id, tokenizer.sep_token_id, tokenizer.pad_token_id
    the, cat, sat = tokenizer.convert_tokens_to_ids(["the", "cat", "sat"])
    assert pair["input_ids"] == [cls, the, cat, sep, sat, sep, pad, pad]
    assert pair["token_type_ids"] == [0, 0, 0, 0, 1, 1, 0, 0]
    assert pair["attention_mask"] == [1, 1, 1, 1, 1, 1, 0, 0]
    assert tokenizer.mask_token_id in tokenizer("the [MASK]")["input_ids"]


def test_the_generator_fills_masks(huggingface: Exported) -> None:
    folder = str(huggingface.output / "generator")
    fill = transformers.pipeline("fill-mask", model=folder, tokenizer=folder, device="cpu")
    assert len(fill("the [MASK] sat on the mat", top_k=3)) == 3


def test_cards(huggingface: Exported, source: Exportable) -> None:
    cards = {
        name: (huggingface.output / name / "README.md").read_text(encoding="utf-8")
        for name in ("discriminator", "generator")
    }
    cost = budget_of(source.config)
    flops = format_flops(7 * cost.flops_per_token * cost.tokens_per_step)
    for card in cards.values():
        assert card.startswith("---\nlibrary_name: transformers\nlicense: unknown\n")
        assert "1,234, 5 of them held out" in card
        assert "67,890" in card
        assert "7 of batch size" in card
        assert f"| FLOPs | {flops}, padding included |" in card
        assert "not evaluated" in card
    assert "Fine-tune this model" in cards["discriminator"]
    assert "fills masks" in cards["generator"]


def test_cards_name_held_out_metrics_of_this_step(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    metrics = {"disc_auc": 0.8125, "masked_lm_loss": 4.25}
    lines = [
        {"kind": "validation", "step": 7, "disc_auc": 0.5},
        {"kind": "validation", "step": 7, **metrics, "disc_recall": None},
        {"kind": "validation", "step": 8, "disc_auc": 0.5},
        {"kind": "train", "step": 7, "masked_lm_loss": 9.0},
    ]
    cut_off = '{"step": 7, "ki'
    (run / "metrics.jsonl").write_text("\n".join([*map(json.dumps, lines), cut_off]))
    export(checkpoint=run, format="huggingface", output=tmp_path / "out")
    card = (tmp_path / "out" / "discriminator" / "README.md").read_text(encoding="utf-8")
    assert "| disc_auc | 0.8125 |" in card
    assert "| masked_lm_loss | 4.2500 |" in card
    assert "disc_recall" not in card

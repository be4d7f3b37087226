"""Where a generator that learns nothing may come from, and what is refused without TensorFlow."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import read_manifest
from electra_cli.errors import ConfigError, DataError, ElectraError, InputMissingError
from electra_cli.export.checks.probe import make_probe
from electra_cli.export.run import export
from electra_cli.health.facts import Facts
from electra_cli.interop.frozen import find_generator
from electra_cli.interop.reference import to_reference
from electra_cli.interop.source import find_source
from electra_cli.interop.weights import load_checkpoint, load_generator, load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.modeling.fused import plain_operations
from electra_cli.runs.named import find_checkpoints
from electra_cli.runs.run_folder import RunFolder
from electra_cli.sources.exportable import open_own
from electra_cli.training.plan.frozen import plan_frozen, with_whole_path
from tests.export.runs import small_config, write_run

SIZES = {"generator.sharing": "none", "generator.embedding_size": 24}
# Of a masked language model whose width and heads are those that a generator of ours has.
ALONE = {"model.hidden_size": 16, "model.num_attention_heads": 1, "model.intermediate_size": 64}
RUNS: Mapping[str, Mapping[str, Any]] = {
    "tied": {},
    "apart": {"generator.sharing": "disentangled"},
    "untied": SIZES,
    "one encoder": {"generator.sharing": "all", "generator.size": 1.0, **ALONE},
    "mlm": {"objective.name": "mlm", **ALONE},
    "uniform": {"objective.uniform_generator": True},
    "heads": {"objective.name": "mlm", **ALONE, "model.num_attention_heads": 2},
    "layers": {"generator.layers": 0.5},
    "narrow": {"model.embedding_size": 8, "generator.size": 0.25},
}

Sources = Callable[[str], Path]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    """The runs above, each written when it is first asked for."""
    folder = tmp_path_factory.mktemp("sources")

    def of(name: str) -> Path:
        run = folder / name
        return run if run.exists() else write_run(run, values=RUNS[name])

    return of


def config_of(path: Path, **values: object) -> Config:
    keys = {key.replace("__", "."): value for key, value in values.items()}
    return small_config(24).replaced({**SIZES, "generator.frozen": str(path), **keys})


def planned(path: Path, data: Path, tmp_path: Path, **values: object) -> Any:
    manifest = read_manifest(data / "data")
    run = RunFolder(tmp_path / "run")
    return plan_frozen(config_of(path, **values), manifest=manifest, run=run)


@pytest.mark.parametrize(
    "kind", ["tied", "apart", "untied", "one encoder", "mlm", "hugging face", "folder", "alone"]
)
def test_it_fills_masks_as_it_did_where_it_comes_from(
    sources: Sources, tmp_path: Path, kind: str
) -> None:
    run = sources(kind if kind in RUNS else "untied")
    (checkpoint,) = find_checkpoints(run)
    path = run
    if kind in ("hugging face", "folder"):
        path = tmp_path / "out"
        export(checkpoint=run, format="huggingface", output=path)
        path = path if kind == "folder" else path / "generator"
    elif kind == "alone":  # without its run, whose configuration would tell the sizes
        path = Path(shutil.copytree(run / "checkpoints", tmp_path / "copy")) / "ckpt-7"
    found = planned(path, run, tmp_path)
    assert len(found.warnings) == (kind == "alone")  # that nothing tells its tokenizer
    model = ElectraModel(Architecture.of(config_of(path)))
    assert load_generator(model, found.source).missing == []
    features = make_probe(open_own(checkpoint)).features()
    with plain_operations():
        ours, theirs = (m.generate(features) for m in (model, load_checkpoint(checkpoint)))
    assert np.abs(theirs).max() > 1e-2
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("kind", "values", "words", "keys"),
    [
        ("layers", {}, "generator num_layers 1 there, 2 here", {"generator.layers": 0.5}),
        (
            "narrow",
            {},
            "generator hidden_size 8 there, 16 here",
            {"generator.size": 0.25, "generator.embedding_size": 8},
        ),
        (
            "tied",
            {"model__max_position_embeddings": 16},
            "model.max_position_embeddings 24 there, 16 here",
            {"model.max_position_embeddings": 24},
        ),
    ],
)
def test_the_hint_of_other_sizes_can_be_followed(
    sources: Sources,
    tmp_path: Path,
    kind: str,
    values: dict[str, object],
    words: str,
    keys: dict[str, object],
) -> None:
    run = sources(kind)
    with pytest.raises(DataError, match=re.escape(words)) as caught:
        planned(run, run, tmp_path, **values)
    assert caught.value.message.startswith("generator.frozen: ")
    told = dict(re.findall(r"--set (\S+)=(\S+)", caught.value.hint))
    assert {key: float(value) for key, value in told.items()} == keys
    followed = {key.replace(".", "__"): value for key, value in keys.items()}
    assert planned(run, run, tmp_path, **values | followed)


@pytest.mark.parametrize(
    ("kind", "words", "hint"),
    [
        ("uniform", "objective is electra with a uniform generator", "objective mlm or electra"),
        ("heads", "num_attention_heads 2 there, 1 here", "no key makes such a generator"),
        ("discriminator", "no generator that fills masks", "ElectraForMaskedLM"),
        ("gone", "generator.frozen: no weights at", "name a run folder"),
        ("empty", "holds no weights that can be read", "name a run folder"),
    ],
)
def test_what_has_no_generator_for_it_is_refused(
    sources: Sources, tmp_path: Path, kind: str, words: str, hint: str
) -> None:
    path = sources(kind) if kind in RUNS else tmp_path / kind
    if kind == "discriminator":
        export(checkpoint=sources("tied"), format="huggingface", output=tmp_path / "out")
        path = tmp_path / "out" / "discriminator"
    elif kind == "empty":
        path.mkdir()
    with pytest.raises((DataError, InputMissingError), match=words) as caught:
        planned(path, sources("tied"), tmp_path)
    assert hint in caught.value.hint


def test_another_vocabulary_is_refused(sources: Sources, tmp_path: Path) -> None:
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{n}" for n in range(195))]
    other = write_run(tmp_path / "other", tokens=tokens)
    with pytest.raises(DataError, match="another vocabulary") as caught:
        planned(other, sources("tied"), tmp_path)
    assert "prepare-data" in caught.value.hint


def write_reference(prefix: Path, arrays: Mapping[str, Any]) -> Path:
    """A checkpoint of google-research/electra, whose names are a table."""
    tf.raw_ops.SaveV2(
        prefix=str(prefix), tensor_names=list(arrays), shape_and_slices=[""] * len(arrays),
        tensors=[tf.constant(array) for array in arrays.values()],
    )  # fmt: skip
    return prefix


def test_a_reference_without_a_generator_is_refused_unread(
    sources: Sources, tmp_path: Path
) -> None:
    """By the names of its weights, with what an optimizer keeps of them too."""
    tensors = to_reference(values_of(load_checkpoint(find_checkpoints(sources("tied"))[-1])))
    tensors |= {f"{name}/adam_m": array for name, array in tensors.items()}
    tensors["beta1_power"] = np.zeros([], np.float32)
    whole = write_reference(tmp_path / "whole.ckpt", tensors)
    assert find_generator(whole).files
    one_encoder = {n: a for n, a in tensors.items() if not n.startswith("generator/")}
    assert find_generator(write_reference(tmp_path / "one.ckpt", one_encoder)).files
    for parts in (("electra", "discriminator", "beta1"), ("electra",)):
        kept = {n: a for n, a in tensors.items() if n.startswith(parts)}
        with pytest.raises(DataError, match="has no generator that fills masks"):
            find_generator(write_reference(tmp_path / f"{len(parts)}.ckpt", kept))
    towers = {n.replace("generator/", "generator_ltr/"): a for n, a in tensors.items()}
    towers = {n: a for n, a in towers.items() if not n.startswith("generator_pred")}
    with pytest.raises(DataError, match="has no generator that fills masks"):
        find_generator(write_reference(tmp_path / "electric.ckpt", towers))


def test_sizes_of_a_reference_are_compared_unread(sources: Sources, tmp_path: Path) -> None:
    """Those of the table are those of the weights, and the hint can be followed."""
    run = sources("narrow")
    tensors = to_reference(values_of(load_checkpoint(find_checkpoints(run)[-1])))
    path = write_reference(tmp_path / "narrow.ckpt", tensors)
    with pytest.raises(DataError, match="generator hidden_size 8 there, 16 here") as caught:
        planned(path, run, tmp_path)
    assert "--set generator.size=0.25 --set generator.embedding_size=8" in caught.value.hint
    assert planned(path, run, tmp_path, generator__size=0.25, generator__embedding_size=8)


def test_weights_that_are_not_whole_change_nothing(sources: Sources, tmp_path: Path) -> None:
    """A checkpoint without its run says what it lacks only once it is read."""
    tensors = values_of(load_checkpoint(find_checkpoints(sources("tied"))[-1]))
    model = ElectraModel(Architecture.of(config_of(tmp_path)))
    before = values_of(model)
    for part, words in (("generator_predictions/", "all of a generator"), ("", "other sizes")):
        kept = {n: a for n, a in tensors.items() if not part or not n.startswith(part)}
        if not part:
            kept["electra/embeddings/position_embeddings"] = np.zeros([9, 24], np.float32)
        prefix = write_reference(tmp_path / f"model{len(kept)}.ckpt", kept)
        with pytest.raises(DataError, match=words):
            load_generator(model, find_source(prefix))
    for name, array in values_of(model).items():
        np.testing.assert_array_equal(array, before[name])


def test_first_weights_are_of_the_discriminator_alone(sources: Sources, tmp_path: Path) -> None:
    """`--init-from` of a whole ELECTRA, whatever its generator is like."""
    model = ElectraModel(Architecture.of(config_of(tmp_path)))
    before = values_of(model)
    source = find_source(sources("layers"))
    source.check(model.architecture.learning)
    report = load_weights(model, source)
    assert report.missing == []
    assert all(name.startswith("generator") for name in report.unused)
    expected = values_of(load_checkpoint(find_checkpoints(sources("layers"))[-1]))
    for name, array in values_of(model).items():
        is_generators = name.startswith("generator")
        np.testing.assert_array_equal(array, (before if is_generators else expected)[name])


def test_nobody_finds_that_it_does_not_learn(tmp_path: Path) -> None:
    assert not Facts.of(config_of(tmp_path), None).has_generator
    assert Facts.of(config_of(tmp_path, generator__frozen=None), None).has_generator


def test_a_path_is_kept_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = with_whole_path(config_of(Path("runs/one")))
    assert config.generator.frozen == str(tmp_path / "runs" / "one")


@pytest.mark.parametrize(
    "values",
    [
        {"objective.name": "mlm"},
        {"objective.uniform_generator": True},
        {"generator.sharing": "tied", "generator.embedding_size": None},
    ],
)
def test_what_it_contradicts_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"generator\.frozen") as caught:
        config_of(tmp_path).replaced(values)
    assert isinstance(caught.value, ElectraError)
    assert "--set" in caught.value.hint

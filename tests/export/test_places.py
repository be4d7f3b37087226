"""Formats and the networks they have a place for: what has none is refused, never left out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from electra_cli.config.choices import Network
from electra_cli.errors import ConfigError
from electra_cli.export.places import FORMATS, placed
from electra_cli.export.run import export
from electra_cli.interop.checkpoint import read_checkpoint
from electra_cli.interop.source import find_source
from electra_cli.interop.values import part_of
from electra_cli.interop.weights import load_checkpoint, load_weights, values_of
from electra_cli.modeling.architecture import Architecture
from electra_cli.modeling.electra import ElectraModel
from electra_cli.runs.named import find_checkpoints
from electra_cli.sources.exportable import open_own
from tests.conftest import Electra
from tests.export.runs import small_config, write_run
from tests.interop.conftest import assert_same

RUNS: Mapping[str, Mapping[str, Any]] = {
    "electra": {},
    "frozen": {
        "generator.frozen": "runs/other",
        "generator.sharing": "none",
        "generator.embedding_size": 24,
        "model.document_attention": True,
    },
    "electric": {"objective.name": "electric"},
    "uniform": {"objective.uniform_generator": True},
    "mlm": {"objective.name": "mlm"},
}
BOTH: tuple[Network, Network] = ("discriminator", "generator")
DISCRIMINATOR, GENERATOR = BOTH[:1], BOTH[1:]

# By run: what each format of FORMATS is given, without --only and with it. A text is the hint of an
# error.
_IN_ONE = "--only discriminator, or --format huggingface"
_TOWERS = "--only discriminator, or --format reference"
_TOWERS_ALONE = f"{_TOWERS} without --only"
_ALONE = "--format huggingface, or --format reference"
_OF_TWO: Mapping[Network | None, Sequence[Any]] = {
    None: (BOTH, DISCRIMINATOR, DISCRIMINATOR, BOTH),
    "discriminator": (DISCRIMINATOR,) * 4,
    "generator": (GENERATOR, _IN_ONE, _IN_ONE, _IN_ONE),
}
_NO_GENERATOR = "leave out --only: its discriminator is all that there is"
_NO_DISCRIMINATOR = "leave out --only: its generator is all that there is"
EXPECTED: Mapping[str, Mapping[Network | None, Sequence[Any]]] = {
    "electra": _OF_TWO,
    "frozen": _OF_TWO,
    "electric": {
        None: (_TOWERS, DISCRIMINATOR, DISCRIMINATOR, BOTH),
        "discriminator": (DISCRIMINATOR,) * 4,
        "generator": (_TOWERS_ALONE,) * 4,
    },
    "uniform": {
        None: (DISCRIMINATOR,) * 4,
        "discriminator": (DISCRIMINATOR,) * 4,
        "generator": (_NO_GENERATOR,) * 4,
    },
    "mlm": {
        None: (GENERATOR, _ALONE, _ALONE, GENERATOR),
        "discriminator": (_NO_DISCRIMINATOR,) * 4,
        "generator": (GENERATOR, _ALONE, _ALONE, GENERATOR),
    },
}

Runs = Callable[[str], Path]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """The runs above, each written when it is first asked for."""
    folder = tmp_path_factory.mktemp("runs")

    def of(name: str) -> Path:
        run = folder / name
        return run if run.exists() else write_run(run, values=RUNS[name])

    return of


@pytest.mark.parametrize("only", [None, *BOTH])
@pytest.mark.parametrize("name", RUNS)
def test_networks_of_every_format(runs: Runs, name: str, only: Network | None) -> None:
    (checkpoint,) = find_checkpoints(runs(name))
    item = open_own(checkpoint)
    for format, expected in zip(FORMATS, EXPECTED[name][only], strict=True):
        if isinstance(expected, str):
            with pytest.raises(ConfigError) as caught:
                placed(item, format, runs(name), only)
            assert caught.value.hint == expected, format
            assert str(runs(name)) in caught.value.message
        else:
            assert placed(item, format, runs(name), only).networks == expected, format


def test_what_has_no_place_is_refused(electra: Electra, runs: Runs, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ("export", runs("electric"), "--output", output, "--json")
    electra(*arguments, "--format", "huggingface").failed(
        2, "has no place for the two towers that are the generator", "--only discriminator"
    )
    electra("export", runs("mlm"), *arguments[2:], "--format", "onnx").failed(
        2, "no place for the generator", "objective mlm trains nothing else", "--format reference"
    )
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "only"),
    [
        ("electric", "discriminator"),
        ("electra", "generator"),
        pytest.param("electra", "discriminator", marks=pytest.mark.slow),
        pytest.param("frozen", None, marks=pytest.mark.slow),
    ],
)
def test_folders_of_hugging_face(
    electra: Electra, runs: Runs, tmp_path: Path, name: str, only: Network | None
) -> None:
    """transformers computes what the model does, and weights come back."""
    run, output = runs(name), tmp_path / "out"
    options = [] if only is None else ["--only", only]
    result = electra("export", run, "--format", "huggingface", "--output", output, *options)
    assert result.code == 0, result.stderr
    assert "by transformers: largest difference" in result.stdout
    assert ("to fine-tune" in result.stdout) == (only != "generator")
    assert ("attended within documents" in result.stderr) == (name == "frozen")
    networks = BOTH if only is None else (only,)
    assert sorted(path.name for path in output.iterdir()) == list(networks)
    for network in networks:
        card = (output / network / "README.md").read_text(encoding="utf-8")
        assert ("logits are energies" in card) == (name == "electric")
        for other in {*BOTH} - {*networks}:
            assert f"`{other}/`" not in card
        if only == "generator":
            assert "to fine-tune, take the discriminator." in card
    (checkpoint,) = find_checkpoints(run)
    expected = values_of(load_checkpoint(checkpoint))
    fresh = ElectraModel(Architecture.of(_config(name)).plain)
    left_out: list[Network] = [network for network in BOTH if network not in networks]
    report = load_weights(fresh, find_source(output), allow_missing=left_out)
    found = values_of(fresh)
    assert report.unused == []
    assert_same({n: found[n] for n in report.loaded}, {n: expected[n] for n in report.loaded})
    assert bool(report.missing) == (only is not None)


@pytest.mark.parametrize("name", ["electra", "electric"])
def test_a_checkpoint_of_the_reference_without_its_generator(
    runs: Runs, tmp_path: Path, name: str
) -> None:
    output = tmp_path / "out"
    done = export(checkpoint=runs(name), format="reference", output=output, only="discriminator")
    assert done.networks == DISCRIMINATOR
    arrays = read_checkpoint(output / "model.ckpt").arrays
    assert {part_of(key) for key in arrays} == {"embeddings", "discriminator", "discriminator head"}
    assert "generator" not in json.loads((output / "config.json").read_text(encoding="utf-8"))
    assert "The discriminator of an ELECTRA in" in (output / "README.md").read_text("utf-8")
    (checkpoint,) = find_checkpoints(runs(name))
    expected = values_of(load_checkpoint(checkpoint))
    assert_same(arrays, {key: expected[key] for key in arrays})


def _config(name: str) -> Any:
    return small_config(24).replaced({**RUNS[name], "train.seed": 1})

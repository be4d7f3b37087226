"""What a path is taken for, and what is refused before TensorFlow starts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from electra_cli.corpus.manifest import Manifest, read_manifest
from electra_cli.errors import DataError, InputMissingError
from electra_cli.interop.source import find_source
from electra_cli.modeling.architecture import Architecture
from tests.export.runs import STEP, small_config


@pytest.fixture
def manifest(run_folder: Path) -> Manifest:
    return read_manifest(run_folder / "data")


@pytest.fixture
def copy(exported: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exported, tmp_path / "copy"))


def edit(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_runs_and_prefixes(run_folder: Path, manifest: Manifest) -> None:
    prefix = run_folder / "checkpoints" / f"ckpt-{STEP}"
    for path in (run_folder, prefix, Path(f"{prefix}.index"), run_folder / "checkpoints"):
        source = find_source(path)
        assert source.files == {"checkpoint": prefix}
        assert source.vocabularies == [run_folder / "data" / "vocab.txt"]
        assert source.sizes["model.num_attention_heads"] == 4
        source.check_vocabulary(manifest)
        source.check(Architecture.of(small_config(24)))


def test_the_newest_checkpoint_of_a_run(run_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    for path in list((run / "checkpoints").iterdir()):
        shutil.copy(path, path.with_name(path.name.replace(f"-{STEP}.", "-10.")))
    assert find_source(run).files["checkpoint"].name == "ckpt-10"


def test_hugging_face_folders(exported: Path, copy: Path) -> None:
    both = find_source(exported)
    assert both.files == {
        "discriminator": exported / "discriminator",
        "generator": exported / "generator",
    }
    assert len(both.vocabularies) == 2
    one = find_source(exported / "generator")
    assert one.files == {"generator": exported / "generator"}
    # What a folder is called says nothing: config.json does.
    (copy / "generator").rename(copy / "other")
    (copy / "discriminator").rename(copy / "generator")
    assert set(find_source(copy).files) == {"discriminator"}


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(InputMissingError, match=r"no weights at .*nothing"):
        find_source(tmp_path / "nothing")


def test_a_run_without_checkpoints(run_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(run_folder, tmp_path / "run"))
    shutil.rmtree(run / "checkpoints")
    (run / "checkpoints").mkdir()
    with pytest.raises(DataError, match="holds no weights"):
        find_source(run)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "epoch=3.ckpt"])
@pytest.mark.parametrize("folder", [True, False])
def test_pickled_files_are_refused(tmp_path: Path, name: str, folder: bool) -> None:
    (tmp_path / name).write_bytes(b"\x80\x04.")
    with pytest.raises(DataError, match=f"{name} is a pickled file") as error:
        find_source(tmp_path if folder else tmp_path / name)
    assert "safetensors" in error.value.hint
    assert error.value.exit_code == 65


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "is of BertForMaskedLM"),
        ({"architectures": None}, "is of no architecture"),
        ({"hidden_act": "relu"}, "hidden_act is 'relu'"),
        ({"layer_norm_eps": 1e-5}, "layer_norm_eps is 1e-05"),
        ({"hidden_size": "32"}, "model.hidden_size is '32', not an integer"),
        ({"architectures": ["ElectraForMaskedLM"]}, "both hold a generator"),
        ({"vocab_size": 999}, "model.vocab_size is 999 in one network and 200 in the other"),
    ],
)
def test_other_architectures(copy: Path, values: dict[str, Any], words: str) -> None:
    edit(copy / "discriminator" / "config.json", **values)
    with pytest.raises(DataError, match=words):
        find_source(copy)


@pytest.mark.parametrize("content", ["{", "[]", None])
def test_a_damaged_config(copy: Path, content: str | None) -> None:
    path = copy / "discriminator" / "config.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataError, match=r"discriminator/config\.json"):
        find_source(copy)


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"model.num_attention_heads": 2}, "--set model.num_attention_heads=4"),
        ({"model.num_layers": 3}, "--set model.num_layers=2"),
        ({"model.max_position_embeddings": 64}, "--set model.max_position_embeddings=24"),
        ({"generator.size": 0.25}, "--set generator.size=0.5"),
        (
            {"model.hidden_size": 64, "model.intermediate_size": 128},
            "--set model.hidden_size=32 --set model.intermediate_size=64 --set generator.size=0.5",
        ),
        ({"model.vocab_size": 300}, "prepare-data INPUT --vocab FILE"),
    ],
)
@pytest.mark.parametrize("kind", ["run_folder", "exported"])
def test_other_sizes(
    request: pytest.FixtureRequest, kind: str, values: dict[str, Any], hint: str
) -> None:
    path = request.getfixturevalue(kind)
    config = small_config(24).replaced(values)
    with pytest.raises(DataError) as error:
        find_source(path).check(Architecture.of(config))
    for key, value in values.items():
        if key.startswith("model."):
            assert f"{key} " in error.value.message
            assert f", {value} here" in error.value.message
    assert hint in error.value.hint
    # What the hint says does fit.
    settings = [word.split("=") for word in error.value.hint.split() if "=" in word]
    fitting = config.replaced({k: float(v) if "." in v else int(v) for k, v in settings})
    if "model.vocab_size" not in values:
        find_source(path).check(Architecture.of(fitting))


def test_a_generator_that_no_option_makes(copy: Path) -> None:
    edit(copy / "generator" / "config.json", num_hidden_layers=1)
    with pytest.raises(DataError, match="generator num_layers 1 there, 2 here") as error:
        find_source(copy).check(Architecture.of(small_config(24)))
    assert "no option makes such a generator" in error.value.hint


def test_another_vocabulary(exported: Path, copy: Path, manifest: Manifest) -> None:
    find_source(exported).check_vocabulary(manifest)
    vocab = copy / "generator" / "vocab.txt"
    lines = vocab.read_text().splitlines()
    vocab.write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    with pytest.raises(DataError, match="is not the vocabulary of") as error:
        find_source(copy).check_vocabulary(manifest)
    assert f"--vocab {vocab} " in error.value.hint


def test_it_needs_no_tensorflow(exported: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from electra_cli.interop.source import find_source; "
        "find_source(Path(sys.argv[1])); sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, exported], check=True)

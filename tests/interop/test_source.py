"""What a path is taken for, and what is refused before TensorFlow starts."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from electra_cli.corpus.shards.manifest import Manifest, read_manifest
from electra_cli.corpus.wordpiece.found_tokenizer import read_tokenizer
from electra_cli.errors import DataError, InputMissingError
from electra_cli.interop.source import find_source
from electra_cli.modeling.architecture import Architecture
from electra_cli.runs.named import find_checkpoints
from tests.export.runs import STEP, small_config, write_manifest_of
from tests.given_tokenizers import given_tokenizer
from tests.interop.conftest import write_tf1


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
        assert source.tokenizers == [run_folder / "data"]
        assert source.sizes["model.num_attention_heads"] == 4
        assert source.check_tokenizer(manifest) == []
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
    assert len(both.tokenizers) == 2
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


def test_one_file_of_several(exported: Path, run_folder: Path) -> None:
    folder = exported / "discriminator"
    files = [folder / "model.safetensors", folder / "config.json", run_folder / "config.yaml"]
    for path in files:
        with pytest.raises(DataError, match=f"{path.name} is one file of several") as error:
            find_source(path)
        assert error.value.hint == f"name its folder: {path.parent}"
        assert find_source(path.parent)


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
        ({"architectures": None, "model_type": "bert"}, "is of no architecture"),
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
        ({"model.vocab_size": 300}, "prepare-data INPUT --vocab /"),
        ({"generator.layers": 0.5}, "--set generator.layers=1"),
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
    edit(copy / "generator" / "config.json", num_attention_heads=2)
    with pytest.raises(DataError, match="generator num_attention_heads 2 there, 1 here") as error:
        find_source(copy).check(Architecture.of(small_config(24)))
    assert "no option makes such a generator" in error.value.hint


@pytest.fixture
def own_run(run_folder: Path, tmp_path: Path) -> Path:
    """A run whose checkpoint has a folder of its own, as it is written today."""
    run = Path(shutil.copytree(run_folder, tmp_path / "own" / "run"))
    folder = run / "checkpoints" / f"ckpt-{STEP}"
    folder.mkdir()
    for file in list(folder.parent.glob(f"{folder.name}.*")):
        file.rename(folder / file.name.replace(folder.name, "state"))
    return run


@pytest.mark.parametrize(
    "name",
    [
        "", "checkpoints", "checkpoints/ckpt-7", "checkpoints/ckpt-7/", "checkpoints/ckpt-7/state",
        "checkpoints/ckpt-7/state.index", "checkpoints/ckpt-7/state.data-00000-of-00001",
        "checkpoints/../checkpoints/ckpt-7/state",
    ],
)  # fmt: skip
@pytest.mark.parametrize("way", ["absolute", "relative", "linked", "inside"])
def test_every_name_of_a_checkpoint(
    own_run: Path, tmp_path: Path, name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = own_run / name
    if way == "relative":
        monkeypatch.chdir(own_run.parent)
        path = Path("run") / name
    elif way == "linked":
        (tmp_path / "link").symlink_to(path if path.exists() else path.parent)
        path = tmp_path / "link" / ("" if path.exists() else path.name)
    elif way == "inside":
        monkeypatch.chdir(path if path.is_dir() else path.parent)
        path = Path() if path.is_dir() else Path(path.name)
    source, (found,) = find_source(path), find_checkpoints(path)
    prefix = own_run / "checkpoints" / "ckpt-7" / "state"
    assert source.files["checkpoint"].resolve() == found.prefix.resolve() == prefix
    assert [folder.resolve() for folder in source.tokenizers] == [own_run / "data"]
    assert source.sizes["model.num_attention_heads"] == 4
    assert found.manifest().vocab.size == 200


def test_a_linked_checkpoint_without_its_run(own_run: Path, tmp_path: Path) -> None:
    """A best checkpoint is often given a name by a link."""
    (tmp_path / "best").symlink_to(own_run / "checkpoints" / "ckpt-7")
    assert find_source(tmp_path / "best").tokenizers == [own_run / "data"]
    assert find_checkpoints(tmp_path / "best" / "state")[0].run.path == own_run


@pytest.mark.parametrize("name", ["ckpt-7.damaged", "ckpt-7.damaged/state", "copy", "notes.txt"])
def test_what_lies_beside_checkpoints_is_none(own_run: Path, name: str) -> None:
    path = own_run / "checkpoints" / name
    if path.suffix == ".txt":
        path.touch()
    else:
        folder = path.parent if path.name == "state" else path
        shutil.copytree(own_run / "checkpoints" / "ckpt-7", folder)
    for find in (find_source, find_checkpoints):
        with pytest.raises(DataError, match=rf"{name} is no checkpoint of .*run, which has ckpt-7"):
            find(path)


def test_a_saved_model_gives_no_weights(tmp_path: Path) -> None:
    """Nor does the checkpoint in it, which the other error would name."""
    (tmp_path / "variables").mkdir()
    for name in ("saved_model.pb", "variables/variables.index"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="is a SavedModel"):
        find_source(tmp_path)


@pytest.mark.parametrize("name", ["ckpt-9", "ckpt-9/state", "ckpt-9.index"])
def test_a_checkpoint_that_is_not_there(own_run: Path, name: str) -> None:
    for find in (find_source, find_checkpoints):
        with pytest.raises(InputMissingError, match=name):
            find(own_run / "checkpoints" / name)


def settings_of(folder: Path) -> list[Path]:
    return [folder / name / "tokenizer_config.json" for name in ("discriminator", "generator")]


def test_another_vocabulary(exported: Path, copy: Path, manifest: Manifest) -> None:
    assert find_source(exported).check_tokenizer(manifest) == []
    for folder in ("discriminator", "generator"):
        (copy / folder / "tokenizer.json").unlink()
    vocab = copy / "generator" / "vocab.txt"
    lines = vocab.read_text().splitlines()
    vocab.write_text("\n".join([*lines[:-2], lines[-1], lines[-2]]) + "\n")
    with pytest.raises(DataError, match=r"discriminator/vocab.txt and .*generator/vocab.txt diff"):
        find_source(copy).check_tokenizer(manifest)
    shutil.copy(vocab, copy / "discriminator")
    with pytest.raises(DataError, match=r"another vocabulary .200 word pieces, sha256") as error:
        find_source(copy).check_tokenizer(manifest)
    assert f"--vocab {copy / 'discriminator'} --lowercase --strip-accents " in error.value.hint


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"do_lower_case": False, "strip_accents": True}, "--no-lowercase --strip-accents"),
        ({"do_lower_case": False}, "--no-lowercase --no-strip-accents"),
        ({"do_lower_case": False, "strip_accents": None}, "--no-lowercase --no-strip-accents"),
        ({"strip_accents": False}, "--lowercase --no-strip-accents"),
        ({}, None),
        ({"do_lower_case": None}, None),
    ],
)
def test_another_casing(
    copy: Path, manifest: Manifest, config: dict[str, Any], words: str | None
) -> None:
    """The data was lower-cased and its accents removed."""
    for path in settings_of(copy):
        path.write_text(json.dumps(config))
        path.with_name("tokenizer.json").unlink()
    if words is None:
        assert find_source(copy).check_tokenizer(manifest) == []
        return
    with pytest.raises(DataError, match=r"another casing .lower-cased, accents removed") as error:
        find_source(copy).check_tokenizer(manifest)
    assert f"--vocab {copy / 'discriminator'} {words} --output DIR" in error.value.hint
    edit(settings_of(copy)[1], do_lower_case=True, strip_accents=True)
    with pytest.raises(DataError, match=r"generator/vocab.txt differ in casing"):
        find_source(copy).check_tokenizer(manifest)


def without_accents(file: Path) -> None:
    """Other rules, by which other ids come of the same text."""
    edit(file, normalizer={"type": "StripAccents"})


def test_a_tokenizer_of_another_kind(copy: Path, manifest: Manifest, tmp_path: Path) -> None:
    """Files are the same tokenizer if they give the same ids, whatever their templates."""
    data = given_tokenizer("bpe", tmp_path / "data")
    write_manifest_of(tmp_path / "data", given=data)
    of_bpe = read_manifest(tmp_path / "data")
    assert "another vocabulary" in str(refused(copy, of_bpe))  # its own is of word pieces
    files = [given_tokenizer("bpe", path.parent, template=False) for path in settings_of(copy)]
    for settings in settings_of(copy):
        settings.unlink()
    assert files[0].read_bytes() != data.read_bytes()
    assert find_source(copy).check_tokenizer(of_bpe) == []
    assert "200 tokens of BPE" in str(refused(copy, manifest))
    without_accents(files[0])
    assert "differ in vocabulary" in str(refused(copy, of_bpe))
    without_accents(files[1])
    assert f"--vocab {files[0].parent} --output DIR" in refused(copy, of_bpe).hint


def refused(source: Path, manifest: Manifest) -> DataError:
    with pytest.raises(DataError) as error:
        find_source(source).check_tokenizer(manifest)
    return error.value


def test_what_is_not_known_is_a_warning(copy: Path, manifest: Manifest) -> None:
    for path in settings_of(copy):
        path.unlink()
        path.with_name("tokenizer.json").unlink()
    (warning,) = find_source(copy).check_tokenizer(manifest)
    assert "whether its text was lower-cased" in warning
    for path in settings_of(copy):
        path.with_name("vocab.txt").unlink()
    (warning,) = find_source(copy).check_tokenizer(manifest)
    assert "no vocab.txt beside" in warning


@pytest.mark.parametrize(("kept", "fits"), [(200, True), (150, True), (None, False)])
def test_a_checkpoint_whose_rows_are_not_known_yet(
    tmp_path: Path, manifest: Manifest, kept: int | None, fits: bool
) -> None:
    """Its vocabulary may have been filled up with slots to the rows that the hint names."""
    tokens = manifest.vocab_path.read_text().splitlines()
    kept_tokens = tokens[:kept] if kept else [*tokens[:-1], "word"]
    (tmp_path / "vocab.txt").write_text("\n".join(kept_tokens) + "\n")
    write_tf1(tmp_path / "model.ckpt", {"x": np.zeros(1, np.float32)})
    source = find_source(tmp_path)
    if fits:
        (warning,) = source.check_tokenizer(manifest)
        assert "whether its text was lower-cased" in warning
        return
    with pytest.raises(DataError, match="another vocabulary"):
        source.check_tokenizer(manifest)


@pytest.mark.parametrize(("rows", "fits"), [(200, True), (205, True), (199, False)])
def test_a_table_with_more_rows_than_word_pieces(
    copy: Path, manifest: Manifest, rows: int, fits: bool
) -> None:
    """dbmdz/berts had 31,102 word pieces and 32,102 rows."""
    for folder in ("discriminator", "generator"):
        edit(copy / folder / "config.json", vocab_size=rows)
    source = find_source(copy)
    if not fits:
        with pytest.raises(DataError, match=r"has 200 tokens, the weights of .* 199: ids"):
            source.check_tokenizer(manifest)
        return
    assert source.check_tokenizer(manifest) == []
    tokens = read_tokenizer(source.tokenizers[0]).tokens
    assert len(tokens) == len(set(tokens)) == rows
    # The hint of the sizes leads to data that has as many.
    if rows > 200:
        with pytest.raises(DataError, match="vocab_size 205 there, 200 here") as error:
            source.check(Architecture.of(small_config(24)))
        hint = f"electra prepare-data INPUT --vocab {copy / 'discriminator'} --output DIR"
        assert error.value.hint == hint


def test_it_needs_no_tensorflow(exported: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from electra_cli.interop.source import find_source; "
        "find_source(Path(sys.argv[1])); sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, exported], check=True)

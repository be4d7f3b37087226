from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from electra_cli.corpus.shards.inspect import inspect_data
from electra_cli.corpus.shards.manifest import load_manifest, read_manifest
from electra_cli.corpus.wordpiece.identity import tokenizer_sha256
from electra_cli.errors import DataError
from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.prepared import prepare


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("manifest")
    prepare(
        inputs=write_text(folder / "a.txt", make_documents(30)),
        output=folder / "out",
        vocab=write_vocabulary(folder / "words.txt"),
        workers=1,
        validation_fraction=0.2,
    )
    return folder / "out"


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "out")


def change(folder, **values):
    path = folder / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_moved_folder_loads(folder):
    manifest = load_manifest(folder)
    assert manifest.vocab_path == folder / "vocab.txt"
    assert manifest.paths_of("train") == [folder / "train-00000.npy"]
    assert [shard.split for shard in manifest.shards_of("validation")] == ["validation"]
    assert manifest.examples == sum(shard.rows for shard in manifest.shards_of("train"))


def test_the_fingerprint_of_the_tokenizer(folder):
    manifest = load_manifest(folder)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    options = manifest.tokenizer
    assert content["tokenizer_sha256"] == tokenizer_sha256(manifest.vocab.sha256, options)
    others = [options.model_copy(update={key: False}) for key in ("lowercase", "strip_accents")]
    hashes = {tokenizer_sha256(manifest.vocab.sha256, other) for other in (options, *others)}
    assert len(hashes) == 3
    # A folder that an older electra prepared is the same, and an edited one is not.
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "tokenizer_sha256"}))
    assert load_manifest(folder) == manifest
    path.write_text(json.dumps(content))
    change(folder, tokenizer={"lowercase": False, "strip_accents": True})
    with pytest.raises(DataError, match=r"damaged: .*tokenizer_sha256 is not that of vocab"):
        load_manifest(folder)


def test_the_same_rows_whatever_was_counted_on_the_way(folder):
    manifest = load_manifest(folder)
    content = json.loads((folder / "manifest.json").read_text())
    # As another version counts it, or with a file beside the text that is passed over.
    counts = content["counts"] | {"words": 0, "passed_over": {".pdf": 1}}
    change(folder, counts=counts, left_out=["a.bin"], seed=9, tokenizer_sha256="")
    assert manifest.has_same_rows_as(load_manifest(folder))
    lowercase = {"lowercase": False, "strip_accents": True}
    for other in (
        {"shards": [content["shards"][0] | {"sha256": "0" * 64}, *content["shards"][1:]]},
        {"shards": content["shards"][::-1]},
        {"tokenizer": lowercase},
        {"vocab": content["vocab"] | {"sha256": "0" * 64}},
    ):
        change(folder, **content | {"tokenizer_sha256": ""} | other)
        assert not manifest.has_same_rows_as(read_manifest(folder))


def test_a_folder_without_baselines(folder):
    """As an older electra prepared it."""
    manifest = load_manifest(folder)
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    assert content.pop("baselines")["unigram_entropy"] == manifest.baselines.unigram_entropy
    path.write_text(json.dumps(content))
    old = load_manifest(folder)
    assert old.baselines is None
    assert old.has_same_rows_as(manifest)
    assert inspect_data(old).baselines == manifest.baselines


def test_newer_and_damaged_manifests(folder):
    change(folder, format_version=3)
    with pytest.raises(DataError, match="format version 3; this electra reads 2"):
        load_manifest(folder)
    change(folder, format_version=1)
    with pytest.raises(DataError, match="format version 1; this electra reads 2") as caught:
        load_manifest(folder)
    assert caught.value.hint == "prepare the data again"
    change(folder, format_version=2, seed="x")
    with pytest.raises(DataError, match="is damaged: seed: "):
        load_manifest(folder)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        load_manifest(folder)
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(DataError, match="is damaged: the whole: "):
        load_manifest(folder)


def test_files_that_do_not_match(folder):
    (folder / "vocab.txt").write_text("other")
    (folder / "train-00000.npy").write_bytes(b"short")
    (folder / "validation-00000.npy").unlink()
    with pytest.raises(DataError) as caught:
        load_manifest(folder)
    assert "train-00000.npy has 5 bytes" in caught.value.message
    assert "validation-00000.npy is missing" in caught.value.message
    assert "vocab.txt was changed" in caught.value.message
    assert f"electra debug data {folder} --verify" in caught.value.hint
    assert "delete these files and manifest.json" in caught.value.hint


def test_the_hint_brings_the_folder_back(folder, prepared):
    (folder / "vocab.txt").write_text("other")
    (folder / "train-00000.npy").write_bytes(b"short")
    # As the hint says: what is named, and the manifest.
    for name in ("vocab.txt", "train-00000.npy", "manifest.json"):
        (folder / name).unlink()
    prepare(
        inputs=prepared.parent / "a.txt",
        output=folder,
        vocab=prepared.parent / "words.txt",
        workers=1,
        validation_fraction=0.2,
    )
    assert folder_bytes(folder) == folder_bytes(prepared)


def test_loading_imports_neither_readers_nor_duplicates_nor_tokenizers(prepared):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from electra_cli.corpus.shards.manifest import load_manifest\n"
        "load_manifest(Path(sys.argv[1]))\n"
        "print(*sorted(name for name in sys.modules if name.startswith('electra_cli.corpus.')))\n"
        "print(*{'tokenizers', 'pyarrow', 'datasketch'} & sys.modules.keys())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, prepared], capture_output=True, text=True, check=True
    )
    ours, libraries = done.stdout.splitlines()
    of = {
        "shards": {"counts", "held_out", "kinds", "manifest", "not_prepared", "rows"},
        "wordpiece": {
            "identity",
            "vocabulary",
        },  # no tokenizers
    }
    names = {f"{room}.{file}" for room, files in of.items() for file in files} | of.keys()
    assert set(ours.split()) == {f"electra_cli.corpus.{name}" for name in names}
    assert not libraries

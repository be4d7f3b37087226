from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest

from electra_cli.corpus.shards.manifest import read_manifest
from electra_cli.corpus.shards.rows import load_shard
from electra_cli.corpus.shards.verify import ShardError, Verified, checked_rows, verify_data
from tests.corpus.corpora import make_documents, write_text, write_vocabulary
from tests.prepared import prepare

SHARD = "train-00000.npy"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("verify")
    prepare(
        inputs=write_text(folder / "a.txt", make_documents(40)),
        output=folder / "out",
        vocab=write_vocabulary(folder / "words.txt"),
        sequence_length=16,
        workers=1,
        validation_fraction=0.2,
    )
    return folder / "out"


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "out")


def faults(folder):
    return verify_data(read_manifest(folder)).faults


def change_rows(folder, change, *, honest=True):
    """Rewrites a shard; an honest change is in the manifest too, as if it had been made so."""
    path = folder / SHARD
    ids = np.array(load_shard(path))
    np.save(path, change(ids))
    if honest:
        manifest = json.loads((folder / "manifest.json").read_text())
        (shard,) = [shard for shard in manifest["shards"] if shard["file"] == SHARD]
        data = path.read_bytes()
        shard.update(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
        (folder / "manifest.json").write_text(json.dumps(manifest))


def put(row, column, value):
    def change(ids):
        ids[row, column] = value
        return ids

    return change


def test_a_whole_folder(folder):
    manifest = read_manifest(folder)
    done = []
    verified = verify_data(manifest, on_progress=done.append)
    sizes = [(folder / shard.file).stat().st_size for shard in manifest.shards]
    assert verified == Verified(files=3, bytes=sum(sizes), faults=[])
    assert done == np.cumsum(sizes).tolist()


def test_every_fault_is_named(folder):
    (folder / "vocab.txt").write_text("other")
    (folder / "validation-00000.npy").unlink()
    change_rows(folder, put(3, 5, 7777), honest=False)
    size = read_manifest(folder).vocab.size
    assert faults(folder) == [
        "validation-00000.npy is missing",
        "vocab.txt was changed",
        f"{SHARD} has another checksum",
        f"{SHARD} has an id outside of the vocabulary's {size} in row 3",
    ]


def test_one_bit_elsewhere(folder):
    change_rows(folder, lambda ids: ids ^ (ids == 9), honest=False)
    assert faults(folder) == [f"{SHARD} has another checksum"]


def test_another_size(folder):
    path = folder / SHARD
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-2])
    assert faults(folder) == [f"{SHARD} has {size - 2:,} bytes, not {size:,}"]


@pytest.mark.parametrize("rows_at_once", [1, 10**6])
@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (put(3, 5, 7777), "an id outside of the vocabulary's"),
        (put(3, 0, 3), "no [CLS] at its beginning"),
        (put(3, 1, 0), "padding before a token"),
        (put(3, 16, 1), "a word that begins on a special token"),
    ],
)
def test_rows_that_the_manifest_vouches_for(folder, change, fault, rows_at_once):
    change_rows(folder, change)
    (found,) = faults(folder)
    assert fault in found
    assert found.endswith("in row 3")
    manifest = read_manifest(folder)
    (shard,) = [shard for shard in manifest.shards if shard.file == SHARD]
    with pytest.raises(ShardError) as caught:
        list(checked_rows(manifest, shard, ids_at_once=16 * rows_at_once))
    assert found == f"{SHARD} {caught.value}"


def test_another_layout(folder):
    rows = read_manifest(folder).shards_of("train")[0].rows
    change_rows(folder, lambda ids: ids.astype(np.uint32))
    assert faults(folder) == [f"{SHARD} holds uint32 ({rows}, 17), not uint16 ({rows}, 17)"]
    change_rows(folder, lambda ids: ids.astype(np.uint16)[1:])
    assert faults(folder) == [f"{SHARD} holds uint16 ({rows - 1}, 17), not uint16 ({rows}, 17)"]


def test_no_array_at_all(folder):
    path = folder / SHARD
    path.write_bytes(b"x" * path.stat().st_size)
    checksum, layout = faults(folder)
    assert checksum == f"{SHARD} has another checksum"
    assert layout.startswith(f"{SHARD} is no .npy file: the magic string")


def test_a_shard_that_cannot_be_read(folder, monkeypatch):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(hashlib, "file_digest", fail)
    assert f"{SHARD} cannot be read: Input/output error" in faults(folder)


def test_rows_that_no_shard_holds(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    rows = manifest["examples"]
    (folder / "manifest.json").write_text(json.dumps({**manifest, "examples": rows + 1}))
    assert faults(folder) == [f"manifest.json counts {rows + 1} train rows, its shards {rows}"]

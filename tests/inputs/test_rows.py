from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from electra_cli.config.rules.batches import batch_at, rows_before
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.wordpiece.vocabulary import continuations, load_vocabulary
from electra_cli.errors import ConfigError
from electra_cli.inputs import order, rows
from electra_cli.inputs.store import RowStore


def pipelines(count: int, replicas: int, batch: int) -> list[rows.Share]:
    local = replicas // count
    return [rows.Share(batch, replicas, index * local, local) for index in range(count)]


def read(dataset, turns: int | None = None) -> list[dict[str, np.ndarray]]:
    taken = dataset if turns is None else dataset.take(turns)
    return [{name: value.numpy() for name, value in batch.items()} for batch in taken]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_pipelines_share_every_batch_without_overlap(data: Path, count: int) -> None:
    manifest = load_manifest(data)
    batch, steps, start = 12, 4, 5
    parts = [
        read(rows.training_dataset(manifest, part, seed=1, start_step=start), steps * 6 // count)
        for part in pipelines(count, 6, batch)
    ]
    for step in range(steps):
        together = np.concatenate(
            [b["example_index"] for part in parts for b in part if b["step"][0] == start + step]
        )
        first = (start + step) * batch
        positions = np.arange(first, first + batch)
        expected = order.examples_at(positions, examples=manifest.examples, seed=1)
        np.testing.assert_array_equal(together, expected)


@pytest.mark.parametrize("count", [1, 2])
def test_where_batches_grow_every_position_comes_once(data: Path, count: int) -> None:
    """Each dataset is of one size, and begins anywhere in its stretch."""
    manifest = load_manifest(data)
    train = Config().replaced({"train.batch_size": 12, "train.batch_schedule": "4:11,8:28"}).train
    seen = []
    with pytest.raises(ConfigError, match=r"global batch size 12 at step 1, where .* has 4"):
        rows.stretch_of(train, rows.Share(12), 1)
    for step in range(8):
        stretch = rows.stretch_of(train, rows.Share(batch_at(train, step)), step)
        found = [
            read(
                rows.training_dataset(manifest, part, seed=1, start_step=step, stretch=stretch),
                2 // count,
            )
            for part in pipelines(count, 2, stretch.rows)
        ]
        together = [batch["example_index"] for batches in found for batch in batches]
        seen.append(np.concatenate(together))
    assert [len(part) for part in seen] == [4, 4, 4, 8, 8, 12, 12, 12]
    positions = np.arange(rows_before(train, 8))
    expected = order.examples_at(positions, examples=manifest.examples, seed=1)
    np.testing.assert_array_equal(np.concatenate(seen), expected)


def test_rows_are_those_of_the_index(data: Path) -> None:
    manifest = load_manifest(data)
    (batch,) = read(rows.training_dataset(manifest, rows.Share(8), seed=0, start_step=0), 1)
    store = RowStore(manifest.paths_of("train"), manifest.sequence_length)
    np.testing.assert_array_equal(batch["input_ids"], store.gather(batch["example_index"]))
    assert batch["input_ids"].shape == (8, manifest.sequence_length)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_validation_reads_every_row_once(data: Path, count: int) -> None:
    manifest = load_manifest(data)
    batches = [
        batch
        for part in pipelines(count, 6, 24)
        for batch in read(rows.validation_dataset(manifest, part))
    ]
    indices = np.concatenate([batch["example_index"] for batch in batches])
    ids = np.concatenate([batch["input_ids"] for batch in batches])
    np.testing.assert_array_equal(
        np.sort(indices[indices >= 0]), np.arange(manifest.validation_examples)
    )
    assert (ids[indices < 0] == 0).all()
    assert (ids[indices >= 0][:, 0] == manifest.special_ids.cls).all()
    assert {batch["input_ids"].shape for batch in batches} == {(4, manifest.sequence_length)}


@pytest.mark.parametrize("split", ["train", "validation"])
def test_batches_say_where_words_begin(data: Path, split: str) -> None:
    manifest = load_manifest(data)
    special = manifest.special_ids
    begins_word = ~np.array(continuations(load_vocabulary(manifest.vocab_path)))
    begins_word[[special.pad, special.cls, special.sep, special.mask]] = False

    def batches(**options: bool) -> list[dict[str, np.ndarray]]:
        if split == "validation":
            return read(rows.validation_dataset(manifest, rows.Share(7), **options))
        dataset = rows.training_dataset(manifest, rows.Share(7), seed=0, start_step=2, **options)
        return read(dataset, 3)

    for plain, batch in zip(batches(), batches(word_starts=True), strict=True):
        starts = batch.pop("word_starts")
        np.testing.assert_array_equal(starts, begins_word[batch["input_ids"]])
        assert plain.keys() == batch.keys()
        for name, value in plain.items():
            np.testing.assert_array_equal(batch[name], value)

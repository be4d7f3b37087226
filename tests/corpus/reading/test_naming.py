"""What names say, of corpora as they are published and of what lies beside them."""

from __future__ import annotations

import pytest

from electra_cli.corpus.reading.naming import ending_format, kind_of, taken


@pytest.mark.parametrize(
    ("name", "how"),
    [
        ("c4/en/c4-train.00000-of-01024.json.gz", "by content"),
        ("multilingual/c4-de.tfrecord-00000-of-01024.json.gz", "by content"),
        ("pile/train/00.jsonl.zst", "by name"),
        ("pile/train/01.jsonl.zstd", "by name"),
        ("dump/pages.json.gzip", "by content"),
        ("books.tbz2", "by name"),
        ("redpajama/arxiv_023f02.jsonl", "by name"),
        ("extracted/AA/wiki_00", "by content"),
        ("extracted/AA/wiki_00.bz2", "by content"),
        ("wikitext-103-raw/wiki.train.raw", "by content"),
        ("wikitext-103/wiki.valid.tokens", "by content"),
        ("CC-MAIN-20240220211055-00000.warc.wet.gz", "by content"),
        ("cc100/en.txt.xz", "by name"),
        ("spark/part-00000-1b2c-c000.snappy.parquet", "by name"),
        ("spark/part-00000", "by content"),
        ("split/corpus.txt.001", "by content"),
        ("split/corpus.jsonl.gz.001", "not"),
        ("split/corpus.tar.001", "not"),
        ("split/corpus.csv.001", "not"),
        ("spark/_SUCCESS", "not"),
        ("spark/_committed_1234", "not"),
        ("LICENSE", "not"),
        ("LICENSE.txt", "by name"),
        ("docs/README.md", "by name"),
        ("README", "not"),
        ("dataset_infos.json", "not"),
        ("generation_config.json", "not"),
        ("model.safetensors.index.json", "not"),
        ("my-config.txt", "by name"),
        (".DS_Store", "not"),
        (".gitattributes", "not"),
        (".git/HEAD", "not"),
        (".cache/huggingface/download/x.json", "not"),
        ("./notes", "by content"),
        ("Mr. Smith", "by content"),
        ("model.bin", "not"),
        ("lib.so.6", "not"),
        ("a.py", "not"),
    ],
)
def test_how_a_file_is_taken_that_nobody_named(name, how):
    assert taken(name, "auto") == how
    forced = "not" if name.rsplit("/", 1)[-1].startswith(".") else "by name"
    assert taken(name, "txt") == forced


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.PDF", ".pdf"),
        ("a.xml.bz2", ".xml"),
        ("a.tfrecord-00001-of-00512", ".tfrecord"),
        ("data/LICENSE", "companion"),
        ("_SUCCESS", "companion"),
        ("dataset_infos.json", "companion"),
        ("shard.00001", "no ending"),
        ("folder.d/shard", "no ending"),
        ("archive.7z", ".7z"),
        ("a.mp3", ".mp3"),
        ("page?token=secret.x/y", "no ending"),
        ("page.php?token=secret", "no ending"),
        ("a. long sentence with a stop", "no ending"),
    ],
)
def test_what_a_file_is_counted_as(name, kind):
    assert kind_of(name) == kind


def test_endings_of_formats():
    assert ending_format("A.TXT.GZ") == "txt"
    for name in ("a.tgz", "a.tar.zstd", "a.tbz", "a.tbz2", "a.txz", "a.tzst"):
        assert ending_format(name) == "tar"
    assert ending_format("txt") is None

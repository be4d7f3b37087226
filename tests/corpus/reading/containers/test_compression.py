from __future__ import annotations

import gzip

import pytest
import zstandard

from electra_cli.errors import DataError
from tests.corpus.corpora import make_documents, read_inputs
from tests.corpus.tables import COMPRESSORS, txt, write_tar

NAMES = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bzip2"}
DOCUMENTS = make_documents(3000)
TEXT = txt(DOCUMENTS)


@pytest.mark.parametrize("ending", NAMES)
def test_a_cut_off_file_is_an_error_that_names_it_or_is_read_to_there(tmp_path, ending):
    whole = COMPRESSORS[ending](TEXT)
    path = tmp_path / f"a.txt{ending}"
    for cut in (len(whole) - 1, len(whole) // 2, 20):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=rf"a\.txt{ending}: damaged or truncated") as caught:
            read_inputs(path)
        assert NAMES[ending] in caught.value.message
        assert f"`{NAMES[ending]} -t` tests it" in caught.value.hint
        (tmp_path / "b.txt").write_bytes(TEXT)
        documents, counts = read_inputs(path, tmp_path / "b.txt", on_error="skip")
        read = len(documents) - 3000
        assert documents == [text.split("\n") for text in [*DOCUMENTS[:read], *DOCUMENTS]]
        assert read > 2900 or cut < len(whole) - 1
        assert (counts.damaged_inputs, counts.unreadable_files) == (1, 0)


@pytest.mark.parametrize("ending", NAMES)
def test_damage_in_the_middle(tmp_path, ending):
    content = bytearray(COMPRESSORS[ending](TEXT))
    middle = len(content) // 2
    content[middle : middle + 40] = b"\x99" * 40
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged or truncated"):
        read_inputs(path)


@pytest.mark.parametrize("ending", NAMES)
def test_several_compressed_files_in_a_row_are_read_whole(tmp_path, ending):
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(COMPRESSORS[ending](b"one\n\n") + COMPRESSORS[ending](b"two\n"))
    assert read_inputs(path)[0] == [["one"], ["two"]]


@pytest.mark.parametrize("ending", NAMES)
@pytest.mark.parametrize("damage", ["flipped", "garbage"])
def test_damage_where_a_later_one_begins(tmp_path, ending, damage):
    first, second = COMPRESSORS[ending](TEXT), bytearray(COMPRESSORS[ending](TEXT))
    second[12] ^= 0x55
    path = tmp_path / f"a.txt{ending}"
    path.write_bytes(first + (second if damage == "flipped" else b"garbage"))
    with pytest.raises(DataError, match="damaged or truncated"):
        read_inputs(path)


@pytest.mark.parametrize("in_archive", [False, True])
def test_zstd_with_a_window_beyond_the_librarys_limit(tmp_path, in_archive):
    window = zstandard.ZstdCompressionParameters(window_log=28, enable_ldm=True)
    compressor = zstandard.ZstdCompressor(compression_params=window).compressobj()
    content = compressor.compress(TEXT) + compressor.flush()
    path = tmp_path / "a.txt.zst"
    path.write_bytes(content)
    if in_archive:
        path = write_tar(tmp_path / "a.tar", {"a.txt.zst": content})
    with pytest.raises(DataError, match=r"a\.txt\.zst: its zstd window needs more") as caught:
        read_inputs(path)
    assert "`zstd -dc --long=31 FILE | electra prepare-data - …`" in caught.value.hint


def test_padding_between_streams_of_xz(tmp_path):
    path = tmp_path / "a.txt.xz"
    compressed = COMPRESSORS[".xz"]
    path.write_bytes(compressed(b"one\n\n") + bytes(200_000) + compressed(b"two\n") + bytes(8))
    assert read_inputs(path)[0] == [["one"], ["two"]]


def test_twice_compressed_files_are_refused(tmp_path):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(gzip.compress(b"text")))
    with pytest.raises(DataError, match=r"a\.txt\.gz is compressed twice"):
        read_inputs(path)

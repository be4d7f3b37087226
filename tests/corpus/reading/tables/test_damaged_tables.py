"""Tables whose metadata contradicts what they hold: an error that names the file, never fewer rows.

The damage is a number or a name replaced in what the library has written.
"""

from __future__ import annotations

import base64
import io
import struct

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as encryption
import pytest

from electra_cli.corpus.reading.faults import DamagedError
from electra_cli.corpus.reading.tables.arrow_batches import read_batches
from electra_cli.errors import DataError
from tests.corpus.corpora import read_inputs, read_so_far

TEXTS = [f"text {number:02}" for number in range(50)]
KINDS = pytest.mark.parametrize("kind", ["file", "stream"])


def arrow(kind: str, texts: list[str | None], compression: str | None = None) -> bytes:
    """One batch of text alone."""
    content = pa.table({"text": texts})
    new = {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}[kind]
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with new(file, content.schema, options=options) as writer:
        writer.write_table(content)
    return file.getvalue()


def replaced(content: bytes, old: bytes, new: bytes, *, occurrence: int, of: int) -> bytes:
    """The content with one of the occurrences replaced."""
    assert content.count(old) == of
    parts = content.split(old)
    before, after = old.join(parts[: occurrence + 1]), old.join(parts[occurrence + 1 :])
    return before + new + after


def longs(*numbers: int) -> bytes:
    return struct.pack(f"<{len(numbers)}q", *numbers)


def refuse(
    path, content: bytes, message: str | None = None, on_errors: tuple[str, ...] = ("fail", "skip")
) -> None:
    path.write_bytes(content)
    if "fail" in on_errors:
        with pytest.raises(DataError, match=message) as caught:
            read_inputs(path)
        assert caught.value.exit_code == 65
        assert caught.value.message.startswith(f"{path}: damaged or truncated ")
        assert "fetch the file again" in caught.value.hint
    if content[:4] == b"PAR1":  # is looked at before anything is read
        with pytest.raises(DamagedError, match=message):
            read_inputs(path, on_error="skip")
    else:
        assert read_inputs(path, on_error="skip")[1].damaged_inputs == 1


@KINDS
@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("rows", [34, 51, 0, -50])
def test_a_batch_of_other_rows_than_its_column(tmp_path, kind, compression, rows):
    """The first 50 in the metadata is the batch's, the second the column's."""
    whole = arrow(kind, TEXTS, compression)
    for occurrence, message in enumerate([f"50 rows in a batch of {rows}", f"{rows} rows in a"]):
        content = replaced(whole, longs(50), longs(rows), occurrence=occurrence, of=2)
        refuse(tmp_path / "a.arrow", content, message)


@KINDS
def test_a_negative_number_of_rows(tmp_path, kind):
    content = arrow(kind, TEXTS).replace(longs(50), longs(-50))
    refuse(tmp_path / "a.arrow", content, "a column of -50 rows")


@KINDS
@pytest.mark.parametrize("nulls", [0, 1, 3, 51, -1])
def test_another_number_of_nulls(tmp_path, kind, nulls):
    whole = arrow(kind, [*TEXTS[:48], None, None])
    content = replaced(whole, longs(50, 2), longs(50, nulls), occurrence=0, of=1)
    message = f"2 nulls where there should be {nulls}"
    refuse(tmp_path / "a.arrow", content, message, ("skip",))  # a null itself is an error too
    whole = arrow(kind, TEXTS)  # which holds no bits for them
    content = replaced(whole, longs(50, 0), longs(50, 2), occurrence=0, of=1)
    refuse(tmp_path / "a.arrow", content, "0 nulls where there should be 2")


@KINDS
def test_columns_that_the_library_reads_are_checked_too(tmp_path, kind):
    content = pa.table({"text": pa.array(TEXTS, pa.string_view())})
    file = io.BytesIO()
    with {"file": pa.ipc.new_file, "stream": pa.ipc.new_stream}[kind](file, content.schema) as out:
        out.write_table(content)
    content = replaced(file.getvalue(), longs(50), longs(34), occurrence=0, of=2)
    refuse(tmp_path / "a.arrow", content)


@KINDS
def test_a_batch_without_the_columns_node_or_buffers(tmp_path, kind):
    """Looking for them is a LookupError."""
    whole = arrow(kind, TEXTS)
    one_node = struct.pack("<i", 1) + longs(50, 0)
    content = replaced(whole, one_node, bytes(4) + longs(50, 0), occurrence=0, of=1)
    refuse(tmp_path / "a.arrow", content, "out of range")
    three_buffers = struct.pack("<i", 3) + longs(0, 0)
    content = replaced(whole, three_buffers, struct.pack("<i", 2) + longs(0, 0), occurrence=0, of=1)
    refuse(tmp_path / "a.arrow", content, "out of range")


@KINDS
def test_a_name_that_is_no_text(tmp_path, kind):
    """The library raises a UnicodeDecodeError, which is a ValueError."""
    content = arrow(kind, TEXTS).replace(b"\x04\0\0\0text", b"\x04\0\0\0t\xffxt")
    refuse(tmp_path / "a.arrow", content, "utf-8")


def test_a_body_that_ends_beyond_any_file(tmp_path):
    """Seeking behind it is an OverflowError."""
    whole = arrow("stream", TEXTS)
    (batch,) = read_batches(io.BytesIO(whole))
    size, endless = longs(batch.body_bytes), longs(2**63 - 1)
    refuse(tmp_path / "a.arrow", replaced(whole, size, endless, occurrence=0, of=1))


@pytest.mark.parametrize("damage", range(40))
def test_parquet_with_any_byte_of_its_metadata_damaged(tmp_path, damage):
    """It is read or refused, whatever the library raises."""
    file = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS}), file)
    content = bytearray(file.getvalue())
    (size,) = struct.unpack("<I", content[-8:-4])
    content[-8 - size + damage * size // 40] ^= 0xFF
    path = tmp_path / "a.parquet"
    path.write_bytes(content)
    message = f"{path}: "
    try:
        read_inputs(path)
    except DataError as error:
        message = error.message
    assert message.startswith(f"{path}: ")


def test_any_byte_of_a_footer(tmp_path):
    """Some damage makes the library end the process, of which no exception would be seen."""
    file = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS[:2]}), file, write_page_index=True)
    content, path = file.getvalue(), tmp_path / "a.parquet"
    footer = struct.unpack("<i", content[-8:-4])[0]
    refused = 0
    for place in range(len(content) - 8 - footer, len(content)):
        for value in (0, 2, 64):
            path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
            try:
                read_inputs(path)
            except DataError:
                refused += 1
    assert refused > footer


def test_a_wrong_checksum_of_a_page(tmp_path):
    """The text is still text, so nothing else would tell."""
    file = io.BytesIO()
    pq.write_table(
        pa.table({"text": TEXTS}), file, compression="none", use_dictionary=False,
        write_page_checksum=True, write_statistics=False,
    )  # fmt: skip
    content = replaced(file.getvalue(), b"text 07", b"text 70", occurrence=0, of=1)
    path = tmp_path / "a.parquet"
    path.write_bytes(file.getvalue())
    assert len(read_inputs(path)[0]) == 50
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=r"a\.parquet: damaged or truncated Parquet .*CRC"):
        read_inputs(path)
    documents, read = read_so_far(path, on_error="skip")
    assert (documents, read.counts.damaged_inputs, read.left_out) == ([], 1, ["a.parquet"])


class KeysInFiles(encryption.KmsClient):
    """No service: what a key is wrapped in is readable."""

    def wrap_key(self, key_bytes, master_key_identifier):
        return base64.b64encode(key_bytes)

    def unwrap_key(self, wrapped_key, master_key_identifier):
        return base64.b64decode(wrapped_key)


def test_an_encrypted_column(tmp_path):
    """The library would end the process."""
    factory = encryption.CryptoFactory(lambda config: KeysInFiles())
    properties = factory.file_encryption_properties(
        encryption.KmsConnectionConfig(),
        encryption.EncryptionConfiguration(
            footer_key="footer", column_keys={"column": ["text"]}, double_wrapping=False,
            plaintext_footer=True,
        ),
    )  # fmt: skip
    content = pa.table({"text": TEXTS})
    with pq.ParquetWriter(
        tmp_path / "a.parquet", content.schema, encryption_properties=properties
    ) as writer:
        writer.write_table(content)
    with pytest.raises(DataError, match=r"a\.parquet: .*[Dd]ecrypt"):
        read_inputs(tmp_path / "a.parquet")


@KINDS
def test_a_body_larger_than_the_file(tmp_path, kind):
    """The library would first ask for as much memory."""
    whole = arrow(kind, TEXTS)
    with io.BytesIO(whole) as stream:
        (batch,) = read_batches(stream)
    found = whole.count(longs(batch.body_bytes))
    content = replaced(whole, longs(batch.body_bytes), longs(2**40), occurrence=0, of=found)
    refuse(tmp_path / "a.arrow", content)

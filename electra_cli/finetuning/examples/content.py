"""The content of a file of labelled data, uncompressed, and as text where it is text."""

from __future__ import annotations

from pathlib import Path

from electra_cli.config.nearest import nearest
from electra_cli.corpus.reading.containers.compression import uncompressed
from electra_cli.corpus.reading.containers.kinds import check_is_none
from electra_cli.corpus.reading.encodings import in_utf8, other_encoding
from electra_cli.corpus.reading.faults import describe_invalid_utf8, with_name
from electra_cli.corpus.reading.formats import HEAD_BYTES
from electra_cli.corpus.reading.texts import BOM
from electra_cli.errors import DataError, InputMissingError, counted, listed

MOST_SHOWN = 5
_ZIP = b"PK\x03\x04"


def read_bytes(path: Path) -> bytes:
    """The uncompressed content of a file.

    Raises:
      InputMissingError: It is not there, is no file, or may not be read.
      DataError: It is an archive, or compressed and damaged.
    """
    try:
        with path.open("rb") as file:
            content = uncompressed(file, str(path)).read()
    except IsADirectoryError:
        raise InputMissingError(
            f"{path} is a folder where a file is needed",
            hint=f"name the file in it: `ls {path}`",
        ) from None
    except (FileNotFoundError, NotADirectoryError):
        beside = {entry.name.partition(".")[0]: entry for entry in sorted(path.parent.glob("*"))}
        near = nearest(path.name.partition(".")[0], beside)
        raise InputMissingError(
            f"{path} does not exist",
            hint=f"did you mean {beside[near]}?" if near else "check the path",
        ) from None
    except PermissionError:
        raise InputMissingError(
            f"{path} may not be read", hint=f"chmod +r {path}, or ask its owner"
        ) from None
    if content.startswith(_ZIP):
        raise DataError(
            f"{path} is a zip archive, as workbooks of Excel are too",
            hint=f"`unzip {path}` unpacks it; of a workbook save the sheet as CSV",
        )
    return content


_LABELLED = "CSV, TSV, JSON lines, Parquet, SQuAD's JSON or CoNLL"


def as_text(content: bytes, path: Path, *, needed: str = _LABELLED) -> str:
    """The content as text, without a byte order mark.

    Args:
      content: Of the file.
      path: The file.
      needed: What it is to hold.

    Raises:
      DataError: It is binary, or not in UTF-8.
    """
    label, head = str(path), content[:HEAD_BYTES]
    if encoding := other_encoding(head):
        raise DataError(
            f"{label} is text in {encoding}, UTF-8 is needed",
            hint=with_name(in_utf8(encoding), label),
        )
    check_is_none(head, path.name, label, text_too=False)
    if b"\0" in head:
        raise DataError(
            f"{label} is binary, it begins with {head[:16]!r}",
            hint=f"give {needed}",
        )
    content = content.removeprefix(BOM)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        begin = content.rfind(b"\n", 0, error.start) + 1
        line = content[begin:].partition(b"\n")[0]
        number = content.count(b"\n", 0, begin) + 1
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as of_line:
            error = of_line
        what = with_name(describe_invalid_utf8(error), label)
        raise DataError(
            f"{label}, line {number:,}: {what}", hint="correct it, and run the same command again"
        ) from None


def faulty(path: Path, noun: str, what: str, faults: list[str], *, hint: str) -> DataError:
    """The error for faults of a kind: how many there are, and the first.

    Args:
      path: The file.
      noun: What is faulty, one of it.
      what: Is wrong with it, in words that fit one and many.
      faults: Each with its place.
      hint: What to do.
    """
    shown = listed(faults, MOST_SHOWN, separator="; ")
    return DataError(f"{path}: {counted(len(faults), noun)} {what}: {shown}", hint=hint)

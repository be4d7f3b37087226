"""Members of tar and zip archives as streams; nothing is ever extracted.

A member's name is only ever shown and looked at for its ending, so it cannot reach the disk.
"""

from __future__ import annotations

import errno
import io
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

from electra_cli.corpus.reading.containers.compression import guarded
from electra_cli.corpus.reading.containers.kinds import check_is_no_zip_of
from electra_cli.corpus.reading.faults import DamagedError, UnreadableError
from electra_cli.corpus.reading.naming import FormatOption, Taken, is_hidden, kind_of, taken
from electra_cli.corpus.reading.passed_over import LINK, NO_FILE, PassedOver, no_text


@dataclass(frozen=True)
class Member:
    """A regular file in an archive.

    Attributes:
      name: As the archive has it.
      label: What errors call it: archive!member.
      stream: Its content, which ends its life when the next member is asked for.
      size: Bytes of it.
      taken: How it was taken for text.
    """

    name: str
    label: str
    stream: io.BufferedReader
    size: int
    taken: Taken


@dataclass
class Skipped:
    """What is handed out and what is not.

    Attributes:
      texts: How many texts there are; these are handed out.
      passed_over: All other files, hidden ones apart.
    """

    texts: int = 0
    passed_over: PassedOver = field(default_factory=PassedOver)

    def take(self, name: str, size: int, option: FormatOption) -> Taken:
        """How a file is taken by its name."""
        how = taken(name, option)
        if how != "not":
            self.texts += 1
        elif not is_hidden(name):
            self.passed_over.add(kind_of(name), size)
        return how

    def give_back(self, member: Member) -> None:
        """Passes over one that was handed out; its content shows that it is no text."""
        self.texts -= 1
        self.passed_over.add(kind_of(member.name), member.size)


def tar_members(
    stream: BinaryIO, label: str, option: FormatOption, skipped: Skipped
) -> Iterator[Member]:
    """The text files of a tar, in its order, read in one go.

    Args:
      stream: At the beginning.
      label: What errors call the archive.
      option: The format that was asked for.
      skipped: Counts what is handed out and what is not.

    Raises:
      DamagedError: It is damaged or cut off.
      UnreadableError: It holds no text.
    """
    try:
        # Archives may follow one another in a file.
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictInfo, ignore_zeros=True) as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else it remembers all of them
                if not info.isreg():
                    if not info.isdir():
                        is_link = info.issym() or info.islnk()
                        skipped.passed_over.add(LINK if is_link else NO_FILE, 0)
                    continue
                how = skipped.take(info.name, info.size, option)
                if how == "not":
                    continue
                name = member_label(label, info.name)
                content = guarded(tar.extractfile(info), partial(_fault, name))
                yield Member(info.name, name, content, info.size, how)
    except tarfile.TarError as error:
        raise _fault(label, error) from error
    if not skipped.texts:
        raise no_text(label, skipped.passed_over.kinds, otherwise=_OTHERWISE)


def zip_members(
    stream: BinaryIO, label: str, option: FormatOption, skipped: Skipped
) -> Iterator[Member]:
    """The text files of a zip, in the order of its directory.

    Args:
      stream: Can seek.
      label: What errors call the archive.
      option: The format that was asked for.
      skipped: Counts what is handed out and what is not.

    Raises:
      DamagedError: It is damaged.
      UnreadableError: It holds no text, or something encrypted.
    """
    try:
        with zipfile.ZipFile(stream) as archive:
            check_is_no_zip_of(archive.namelist(), _mimetype(archive), label)
            for info in archive.infolist():
                if info.is_dir():
                    continue
                if stat.S_ISLNK(info.external_attr >> 16):
                    skipped.passed_over.add(LINK, 0)
                    continue
                how = skipped.take(info.filename, info.file_size, option)
                if how == "not":
                    continue
                name = member_label(label, info.filename)
                if info.flag_bits & 1:
                    raise UnreadableError(
                        f"{name} is encrypted",
                        hint="decrypt the archive yourself, and pack it anew",
                    )
                with archive.open(info) as inner:
                    content = guarded(inner, partial(_fault, name))
                    yield Member(info.filename, name, content, info.file_size, how)
            # Of several archives in a file it is the directory of the last one that is found.
            if min((info.header_offset for info in archive.infolist()), default=0):
                raise zipfile.BadZipFile("something stands before it, perhaps another archive")
    # A place that no file has is an OSError.
    except (*_DAMAGES_OF_ZIPS, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise _fault(label, error) from error
    if not skipped.texts:
        raise no_text(label, skipped.passed_over.kinds, otherwise=_OTHERWISE)


def _mimetype(archive: zipfile.ZipFile) -> bytes:
    """What an archive says that it is; empty if it says nothing, or more than that."""
    with (
        suppress(KeyError, RuntimeError, EOFError, zlib.error, *_DAMAGES_OF_ZIPS),
        archive.open("mimetype") as file,
    ):
        return file.read(_LONGEST_MIMETYPE)
    return b""


class _StrictInfo(tarfile.TarInfo):
    """A damaged header is an error, where tarfile sees the end of the archive or looks for another.

    So is the end of the file where a header should be, as every tar ends with a mark.
    """

    @classmethod
    def fromtarfile(cls, tar: Any) -> Any:
        is_behind_end = getattr(tar, "is_behind_end", False)
        tar.is_behind_end = False
        try:
            return super().fromtarfile(tar)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
            tar.is_behind_end = True
            raise
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            if is_behind_end:
                raise
            raise tarfile.ReadError("the mark of its end is missing") from error
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error


# What zipfile raises; two for a compression method that it cannot undo, and an empty name.
_DAMAGES_OF_ZIPS = (zipfile.BadZipFile, NotImplementedError, IndexError)
_FETCH = "make or fetch the archive again"
_OTHERWISE = "if it is text, say with --format what all files are"
_LONGEST_MIMETYPE = 100


def _fault(label: str, error: Exception) -> DamagedError:
    what = f"{label}: damaged, truncated or of an unknown kind ({error})"
    return DamagedError(what, hint=_FETCH)


def member_label(archive: str, name: str) -> str:
    """What a member is called: archive!member, without control characters."""
    return f"{archive}!{''.join(c if c.isprintable() else '?' for c in name)}"

"""Members of tar and zip archives as streams; nothing is ever extracted.

A member's name is only ever shown and looked at for its ending, so it cannot reach the disk.
"""

from __future__ import annotations

import errno
import io
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from electra_cli.corpus.compression import Budget, guarded
from electra_cli.corpus.faults import DamagedError, UnreadableError
from electra_cli.corpus.formats import ENDINGS, FormatOption, is_candidate, is_hidden


@dataclass(frozen=True)
class Member:
    """A regular file in an archive.

    Attributes:
      name: As the archive has it.
      label: What errors call it: archive!member.
      stream: Its content, which ends its life when the next member is asked for; or why it
        cannot be read.
    """

    name: str
    label: str
    stream: io.BufferedReader | UnreadableError | DamagedError


@dataclass
class Skipped:
    """What is handed out and what is not.

    Attributes:
      texts: How many texts there are; these are handed out.
      passed_over: How many files there are whose ending is none of text, hidden ones apart.
    """

    texts: int = 0
    passed_over: int = 0

    def passes_over(self, name: str, option: FormatOption) -> bool:
        """Whether the ending of a file says that it is not to be read."""
        if is_candidate(name, option):
            self.texts += 1
            return False
        self.passed_over += not is_hidden(name)
        return True


def tar_members(
    stream: BinaryIO, label: str, option: FormatOption, skipped: Skipped
) -> Iterator[Member]:
    """The text files of a tar, in its order, read in one go.

    Args:
      stream: At the beginning.
      label: What errors call the archive.
      option: The format that was asked for.
      skipped: Is told what is handed out and what is not.

    Raises:
      DamagedError: It is damaged or cut off.
      UnreadableError: It holds no text.
    """
    try:
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_StrictInfo) as tar:
            while (info := tar.next()) is not None:
                tar.members.clear()  # type: ignore[attr-defined]  # else it remembers all of them
                if not info.isreg() or skipped.passes_over(info.name, option):
                    continue
                name = member_label(label, info.name)
                if info.issparse():
                    what = f"{name} is sparse: most of it is not in the archive"
                    yield Member(info.name, name, UnreadableError(what, hint=_REPACK))
                    continue
                inner = tar.extractfile(info)
                stream = guarded(inner, partial(_fault, name), ends_archive=True)
                yield Member(info.name, name, stream)
    except tarfile.TarError as error:
        raise _fault(label, error) from error
    if not skipped.texts:
        raise _no_text(label)


def zip_members(
    stream: BinaryIO, label: str, size: int, option: FormatOption, skipped: Skipped
) -> Iterator[Member]:
    """The text files of a zip, in the order of its directory.

    Args:
      stream: Can seek.
      label: What errors call the archive.
      size: Bytes of the archive.
      option: The format that was asked for.
      skipped: Is told what is handed out and what is not.

    Raises:
      DamagedError: It is damaged or a bomb.
      UnreadableError: It holds no text.
    """
    budget = Budget(label, lambda: size)
    try:
        with zipfile.ZipFile(stream) as archive:
            for info in archive.infolist():
                link = stat.S_ISLNK(info.external_attr >> 16)
                if info.is_dir() or link or skipped.passes_over(info.filename, option):
                    continue
                name = member_label(label, info.filename)
                if info.flag_bits & 1:
                    what = f"{name} is encrypted"
                    yield Member(info.filename, name, UnreadableError(what, hint=_DECRYPT))
                    continue
                try:
                    inner = archive.open(info)
                except _DAMAGES_OF_ZIPS as error:
                    yield Member(info.filename, name, _fault(name, error))
                    continue
                with inner:
                    stream = guarded(inner, partial(_fault, name), budget=budget)
                    yield Member(info.filename, name, stream)
    # A place that no file has is an OSError.
    except (*_DAMAGES_OF_ZIPS, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise _fault(label, error) from error
    if not skipped.texts:
        raise _no_text(label)


class _StrictInfo(tarfile.TarInfo):
    """A damaged header within the archive is an error, where tarfile sees the end of it.

    So is the end of the file where a header should be, as every tar ends with a mark, and an entry
    that only describes the next one and is larger than any name: tarfile would hold all of it.
    """

    @classmethod
    def fromtarfile(cls, tar: tarfile.TarFile) -> Any:
        try:
            return super().fromtarfile(tar)
        except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("the mark of its end is missing") from error
        except (tarfile.InvalidHeaderError, tarfile.TruncatedHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(str(error)) from error

    def _proc_member(self, tar: tarfile.TarFile) -> Any:
        if self.type in _DESCRIPTIONS and self.size > _LONGEST_DESCRIPTION:
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        return super()._proc_member(tar)  # type: ignore[misc]


_DESCRIPTIONS = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_LONGEST_DESCRIPTION = 2**20
# What zipfile raises; two for a compression method that it cannot undo, and an empty name.
_DAMAGES_OF_ZIPS = (zipfile.BadZipFile, NotImplementedError, IndexError)
_FETCH = "make or fetch the archive again"
_DECRYPT = "decrypt the archive yourself, and pack it anew"
_REPACK = "pack it again as a plain file"


def _fault(label: str, error: Exception) -> DamagedError:
    what = f"{label}: damaged, truncated or of an unknown kind ({error})"
    return DamagedError(what, hint=_FETCH)


def member_label(archive: str, name: str) -> str:
    """What a member is called: archive!member, without control characters."""
    return f"{archive}!{''.join(c if c.isprintable() else '?' for c in name)}"


def _no_text(label: str) -> UnreadableError:
    return UnreadableError(
        f"no text in {label}: it holds no file ending with {', '.join(ENDINGS)}",
        hint="say what its files are with --format, or leave the archive out",
    )

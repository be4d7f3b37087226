"""Optional cleaning of documents; without options nothing is changed or left out.

The reference's own rules (no control characters, white space to single spaces) belong to its
tokenizer and always hold; see `corpus/wordpiece/tokenizer.py`.
"""

from __future__ import annotations

import re
import unicodedata
from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from electra_cli.corpus.reading.faults import Document
from electra_cli.errors import ConfigError

if TYPE_CHECKING:
    from electra_cli.corpus.shards.counts import Counts

_REPLACEMENT = "\ufffd"
# Of Unicode's category Cc, without the white space among them: no writing system has them. Format
# characters (Cf) are no dirt: joiners are spelling, others say where text may break and which way
# it runs.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

# A document of this size at least is cut into several, so that memory does not depend on the text.
LARGEST_DOCUMENT = 4 * 2**20
MOST_LINES = 2**17  # of a document: each costs more than its text

# What has to be seen behind a piece to know whether white space follows: a character.
WINDOW = 4


@dataclass(frozen=True)
class Cleaning:
    """What is done to documents before anything else sees them.

    Attributes:
      min_length: Characters of a document's lines; shorter documents are left out.
      max_document_bytes: A longer document is cut into several behind a line, or a space.
      nfc: Compose characters (Unicode normalisation form C).
      max_replacement_share: Of U+FFFD in a document's characters; more leaves it out. None: any.
      max_control_share: Of control characters; more leaves it out. None: any.

    Raises:
      ConfigError: An impossible value.
    """

    min_length: int = 0
    max_document_bytes: int = LARGEST_DOCUMENT
    nfc: bool = False
    max_replacement_share: float | None = None
    max_control_share: float | None = None

    def __post_init__(self) -> None:
        if self.min_length < 0:
            raise ConfigError(f"--min-length is {self.min_length}; it must be at least 0")
        if not 1024 <= self.max_document_bytes <= 2**30:
            raise ConfigError(
                f"--max-document-bytes is {self.max_document_bytes}; it must be 1,024 to 2^30"
            )
        for name in ("max_replacement_share", "max_control_share"):
            share = getattr(self, name)
            if share is not None and not 0 <= share < 1:
                option = "--" + name.replace("_", "-")
                raise ConfigError(f"{option} is {share}; it must be at least 0 and below 1")

    def apply(self, document: Document, counts: Counts) -> Document | None:
        """The document as it is used, or None if it is left out; either is counted."""
        if self.nfc:
            composed = [unicodedata.normalize("NFC", line) for line in document]
            counts.composed_documents += composed != document
            document = composed
        length = sum(map(len, document))
        if length < self.min_length:
            counts.short_documents += 1
            return None
        limit = self.max_replacement_share
        if limit is not None:
            found = sum(line.count(_REPLACEMENT) for line in document)
            if found > limit * length:
                counts.replacement_documents += 1
                return None
        limit = self.max_control_share
        if limit is not None:
            found = sum(len(_CONTROLS.findall(line)) for line in document)
            if found > limit * length:
                counts.control_documents += 1
                return None
        return document


def pieces(document: Iterable[str], largest: int) -> Iterator[Document]:
    """Cuts a document behind lines, and lines at spaces, into parts of at most `largest` bytes.

    No part has more than `MOST_LINES` lines, of which a document that is no list may have any
    number.

    White space of any kind is one, and a line without any is cut anywhere.
    """
    # A character has four bytes at most.
    if (
        isinstance(document, list)
        and 4 * sum(map(len, document)) <= largest
        and len(document) <= MOST_LINES
    ):
        yield document
        return
    part: Document = []
    size = 0
    for short in (short for line in document for short in short_lines(line, largest)):
        added = len(short.encode("utf-8"))
        if part and (size + added > largest or len(part) == MOST_LINES):
            yield part
            part, size = [], 0
        part.append(short)
        size += added
    if part:
        yield part


def short_lines(line: str, largest: int) -> Iterator[str]:
    """Cuts a stripped line into stripped lines of at most `largest` bytes."""
    raw = line.encode("utf-8")
    while len(raw) > largest:
        end = place_to_cut(raw, largest)
        yield raw[:end].decode("utf-8").rstrip()
        raw = without_leading_space(raw[end:])
    if raw:
        yield raw.decode("utf-8")


def place_to_cut(raw: bytes, largest: int) -> int:
    """Where a line is cut: behind or before the last white space, so that `largest` bytes remain.

    Without any it is cut between two characters. All formats cut here, so a document comes in the
    same pieces from each.

    Args:
      raw: The line, without white space at its beginning; at least `WINDOW` bytes more than
        `largest` of it, or all.
      largest: Bytes of a piece.
    """
    text = _decoded(raw[: largest + WINDOW])
    size = len(_encoded(text))
    end = len(text)
    while size > largest:
        end -= 1
        size -= len(_encoded(text[end]))
    if end < len(text) and text[end].isspace():
        return size
    head = text[:end]
    words = head.rsplit(None, 1)
    if head[-1].isspace() or len(words) < 2:
        return size
    return size - len(_encoded(words[1]))


def without_leading_space(raw: bytes) -> bytes:
    """Cuts off white space, of any kind, at the beginning of UTF-8, whose end may be missing."""
    if b"!" <= raw[:1] <= b"~":
        return raw
    text = _decoded(raw)
    return raw[len(_encoded(text)) - len(_encoded(text.lstrip())) :]


def _decoded(raw: bytes) -> str:
    """The whole characters of a beginning of UTF-8; what is invalid comes through unchanged."""
    return getincrementaldecoder("utf-8")("surrogateescape").decode(raw)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")

"""Optional cleaning of documents; without options nothing is changed or left out.

The reference's own rules (no control characters, white space to single spaces) belong to its
tokenizer and always hold; see `tokenizer.py`.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from electra_cli.corpus.faults import Document
from electra_cli.errors import ConfigError

_REPLACEMENT = "\ufffd"

# A document of this size at least is cut into several, so that memory does not depend on the text.
LARGEST_DOCUMENT = 4 * 2**20


@dataclass(frozen=True)
class Cleaning:
    """What is done to documents before anything else sees them.

    Attributes:
      min_length: Characters of a document's lines; shorter documents are left out.
      max_document_bytes: A longer document is cut into several behind a line, or a space.
      nfc: Compose characters (Unicode normalisation form C).
      max_replacement_share: Of U+FFFD in a document's characters; more leaves it out. None: any.
      max_control_share: Of control and format characters; more leaves it out. None: any.

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

    def apply(self, document: Document, counts: CleaningCounts) -> Document | None:
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
            found = sum(len(_controls().findall(line)) for line in document)
            if found > limit * length:
                counts.control_documents += 1
                return None
        return document


@dataclass
class CleaningCounts:
    """What cleaning did.

    Attributes:
      cut_documents: Cuts through documents that were too large.
      composed_documents: Documents that NFC changed.
      short_documents: Documents left out because they are short.
      replacement_documents: Documents left out for their replacement characters.
      control_documents: Documents left out for their control characters.
    """

    cut_documents: int = 0
    composed_documents: int = 0
    short_documents: int = 0
    replacement_documents: int = 0
    control_documents: int = 0


def pieces(document: Document, largest: int) -> Iterator[Document]:
    """Cuts a document behind lines, and lines behind spaces, into parts of at most `largest` bytes.

    A line without a space is cut anywhere.
    """
    if 4 * sum(map(len, document)) <= largest:  # a character has four bytes at most
        yield document
        return
    part: Document = []
    size = 0
    for line in _short_lines(document, largest):
        added = len(line.encode("utf-8"))
        if part and size + added > largest:
            yield part
            part, size = [], 0
        part.append(line)
        size += added
    yield part


def _short_lines(document: Document, largest: int) -> Iterator[str]:
    most = largest // 4
    for line in document:
        while len(line) > most and len(line.encode("utf-8")) > largest:
            end = line.rfind(" ", 0, most) + 1 or most
            yield line[:end].rstrip()
            line = line[end:].lstrip()
        if line:
            yield line


@cache
def _controls() -> re.Pattern[str]:
    """Control and format characters, without the white space among them."""
    kinds = ("Cc", "Cf")
    found = (chr(code) for code in range(sys.maxunicode + 1))
    text = "".join(c for c in found if unicodedata.category(c) in kinds and c not in "\t\n\r")
    return re.compile(f"[{re.escape(text)}]")

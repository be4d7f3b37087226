"""The data of a comparison: a text prepared once for each packing, or what was prepared before."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from electra_cli.corpus.shards.kinds import Packing
from electra_cli.corpus.shards.manifest import Manifest, load_manifest
from electra_cli.files.layout import MANIFEST_FILE
from recipes_parts.book import Book
from recipes_parts.commands import Electra


class Prepared:
    """Prepared folders, all with one vocabulary.

    Args:
      book: Says how a text is prepared.
      corpus: A prepared folder, or a text to prepare.
      output: What is prepared goes there.
      electra: Runs commands.

    Attributes:
      corpus: The corpus.
      output: Where what is prepared goes.
      main: The packing whose held-out rows all recipes are measured by.
    """

    def __init__(self, book: Book, corpus: Path, output: Path, electra: Electra) -> None:
        self.corpus = corpus
        self.main: Packing = book.data.packing
        self.output, self._data, self._electra = output, book.data, electra

    @property
    def is_given(self) -> bool:
        """Whether the corpus is a prepared folder."""
        return (self.corpus / MANIFEST_FILE).is_file()

    def folder(self, packing: Packing) -> Path:
        """Where the data of a packing is, or will be."""
        return self.corpus if self.is_given else self.output / f"data-{packing}"

    def manifest(self, packing: Packing) -> Manifest | None:
        """What is known of it; None before it is there."""
        folder = self.folder(packing)
        return load_manifest(folder) if (folder / MANIFEST_FILE).is_file() else None

    def prepare(self, packings: Iterable[Packing]) -> bool:
        """Prepares what is not there yet; says whether anything was missing."""
        wanted: Iterable[Packing] = dict.fromkeys((self.main, *packings))
        missing = [packing for packing in wanted if self.manifest(packing) is None]
        for packing in missing:
            words: list[object] = ["--vocab-size", self._data.vocab_size]
            if packing != self.main:
                words = ["--vocab", self.folder(self.main)]
            self._electra(
                "prepare-data", self.corpus, "--output", self.folder(packing), *words,
                "--packing", packing, "--sequence-length", self._data.sequence_length,
            )  # fmt: skip
        return bool(missing)

    @property
    def vocab_size(self) -> int:
        """Tokens of the vocabulary; before any data is there those that are asked for."""
        found = self.manifest(self.main)
        return self._data.vocab_size if found is None else found.vocab.size

"""Everything that decides the bytes of a prepared folder, besides the text."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.preparation.plan import SLICE_BYTES
from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.reading.naming import FormatOption
from electra_cli.corpus.reading.readers import OnError, ReadOptions
from electra_cli.corpus.reading.tables.separators import TableLayout
from electra_cli.corpus.reading.texts import Documents
from electra_cli.corpus.shards.kinds import Packing
from electra_cli.corpus.shards.manifest import VocabularyFile
from electra_cli.corpus.subword.open import TextIds, content_sha256
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions
from electra_cli.errors import ConfigError
from electra_cli.files.layout import DUPLICATES_FOLDER

SHORTEST_SEQUENCE = 8


@dataclass(frozen=True)
class PrepareOptions:
    """How text is prepared.

    Attributes:
      vocab: Vocabulary to use, a file or a tokenizer's folder; None trains one.
      vocabulary: How one is trained.
      lowercase: Lower-case the text; None where the tokenizer decides.
      strip_accents: Remove accents; likewise.
      sequence_length: Ids a row.
      packing: `reference`, or `full` without padding.
      seed: Of the packing.
      validation_fraction: Share of documents to hold out, by a hash of the text; at least one is.
      format: Of every file; by default found by the content.
      text_field: Field of a JSON line, or column of a table, that holds the text.
      on_error: Whether bad input ends the preparation, or is skipped and counted or named.
      cleaning: What is done to documents before all else.
      duplicates: What is left out because it came before; None leaves everything in.
      slice_bytes: Uncompressed bytes a slice.
      allow_unknown: Whether a text may be mostly [UNK].
      layout: What is known of tables in text, their separator and quoting.
      documents: What ends a document of plain text: a blank line, or the file.

    Raises:
      ConfigError: An impossible value.
    """

    vocab: Path | None = None
    vocabulary: VocabularyOptions = field(default_factory=VocabularyOptions)
    lowercase: bool | None = True
    strip_accents: bool | None = True
    sequence_length: int = 128
    packing: Packing = "reference"
    seed: int = 0
    validation_fraction: float = 0.005
    format: FormatOption = "auto"
    text_field: str = "text"
    on_error: OnError = "fail"
    cleaning: Cleaning = field(default_factory=Cleaning)
    duplicates: DuplicateOptions | None = None
    slice_bytes: int = SLICE_BYTES
    allow_unknown: bool = False
    layout: TableLayout = field(default_factory=TableLayout)
    documents: Documents = "blank-line"

    def __post_init__(self) -> None:
        if not SHORTEST_SEQUENCE <= self.sequence_length <= 2**16:
            raise ConfigError(
                f"--sequence-length is {self.sequence_length}; it must be {SHORTEST_SEQUENCE} to "
                f"{2**16}"
            )
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"--seed is {self.seed}; it must be 0 or more, and below 2^63")
        if not 0 < self.validation_fraction < 1:
            raise ConfigError(
                f"--validation-fraction is {self.validation_fraction}; it must lie between 0 and 1",
                hint="0.005 holds out one document in 200",
            )

    @property
    def tokenizer(self) -> TokenizerOptions | None:
        """What is done with case and accents; None where the tokenizer decides."""
        if self.lowercase is None or self.strip_accents is None:
            return None
        return TokenizerOptions(lowercase=self.lowercase, strip_accents=self.strip_accents)

    @property
    def read(self) -> ReadOptions:
        """How files are read."""
        return ReadOptions(
            text_field=self.text_field,
            format=self.format,
            on_error=self.on_error,
            cleaning=self.cleaning,
            layout=self.layout,
            documents=self.documents,
        )

    def record(self, brought: TextIds | None) -> dict[str, Any]:
        """What the plan holds of the options.

        Args:
          brought: The tokenizer that was brought; None if one is trained.
        """
        trained = None if brought else asdict(self.vocabulary)
        if trained and trained["kind"] == "wordpiece":
            del trained["kind"]  # it is newer than some plans
        # on_error and allow_unknown are missing on purpose: what is finished under one is the same
        # under the other.
        # These are newer than some plans, which mean their defaults.
        newer: dict[str, Any] = {}
        newer |= {"separator": self.layout.character} if self.layout.character else {}
        newer |= {"quoting": self.layout.quoting} if self.layout.quoting != "auto" else {}
        newer |= {"documents": self.documents} if self.documents != "blank-line" else {}
        if brought and self.tokenizer is None:  # what lies beside its file decides, too
            newer |= {"special": brought.special.model_dump(), "rows": len(brought.tokens)}
        return {
            "vocab": content_sha256(brought) if brought else None,
            "vocabulary": trained,
            "lowercase": self.lowercase,
            "strip_accents": self.strip_accents,
            "sequence_length": self.sequence_length,
            "packing": self.packing,
            "seed": self.seed,
            "validation_fraction": self.validation_fraction,
            "format": self.format,
            "text_field": self.text_field,
            **asdict(self.cleaning),
            "duplicates": asdict(self.duplicates) if self.duplicates else None,
            "slice_bytes": self.slice_bytes,
            **newer,
        }


@dataclass(frozen=True)
class SliceSettings:
    """Everything besides the slice that decides its shards, and where they go.

    Attributes:
      options: How text is prepared.
      output: The prepared folder, as this machine finds it.
      vocab: The vocabulary in it.
      special: Ids of its special tokens.
      held_out_below: Documents whose 128-bit hash is below this go to validation.
    """

    options: PrepareOptions
    output: Path
    vocab: VocabularyFile
    special: SpecialIds
    held_out_below: int

    @property
    def vocab_path(self) -> Path:
        """Where the vocabulary is."""
        return self.output / self.vocab.file

    @property
    def duplicates(self) -> Path | None:
        """Where the duplicates were found that are left out; None keeps everything."""
        return None if self.options.duplicates is None else self.output / DUPLICATES_FOLDER

"""What in a prepared folder is probably not what was meant: a text full of [UNK], or of padding.

Nothing here is an error of the input as such, and so nothing would end by itself: the model would
train on it, and be bad.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from electra_cli.corpus.preparation.encoding import LONGEST_UNKNOWN_WORD
from electra_cli.corpus.preparation.records import SliceRecord
from electra_cli.corpus.reading.naming import COMPANION
from electra_cli.corpus.reading.passed_over import cures, describe_kinds
from electra_cli.corpus.shards.counts import Counts, add_words, most_frequent
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.marks import has_mark, without_marks
from electra_cli.corpus.wordpiece.tokenizer import MAX_CHARACTERS_PER_WORD
from electra_cli.corpus.wordpiece.vocabulary import CONTINUATION
from electra_cli.errors import DataError, counted

# Shares of the tokens that are [UNK]. The released vocabularies leave about 0.01% of English.
SUSPECT_UNKNOWN = 0.02
MOST_UNKNOWN = 0.30
SUSPECT_MARKED = 0.02  # of the words; in English text some 0.2% are written with accents
SUSPECT_PADDING = 0.60
FEWEST_HELD_OUT = 20

_EXAMPLES = 3
# Of the pieces of a vocabulary, or of the unknown words, that tell what it was made for.
_TELLING = 0.05
_FOREIGN_PIECES = {"Ġ": "byte-level BPE", "▁": "SentencePiece"}


@dataclass(frozen=True)
class Implausible:
    """Something that is probably not meant.

    Attributes:
      message: What it is, with its figure.
      hint: What to type if it is not meant.
    """

    message: str
    hint: str

    def __str__(self) -> str:
        return f"{self.message}; {self.hint}"


def implausible(manifest: Manifest) -> list[Implausible]:
    """What a prepared folder should not be used for without a second look.

    Args:
      manifest: As loaded from the folder, whose vocabulary may be read.

    Raises:
      DataError: The vocabulary is damaged.
    """
    counts = manifest.counts
    found = [_mostly_passed_over(counts), unknown_tokens(manifest), _marks_lost(manifest)]
    if manifest.padding_share > SUSPECT_PADDING:
        found.append(
            Implausible(
                f"{manifest.padding_share:.0%} of the positions are padding: "
                f"{counted(counts.documents, 'document')} of "
                f"{counted(round(counts.tokens / counts.documents), 'token')} "
                f"on average, in rows of {manifest.sequence_length}",
                "--packing full fills the rows with several documents; --documents file makes one "
                "of each text file, where a blank line does not end a document; or shorten the "
                "rows with --sequence-length",
            )
        )
    if manifest.validation_examples < FEWEST_HELD_OUT:
        rows = manifest.examples + manifest.validation_examples
        wanted = min(0.5, 2 * FEWEST_HELD_OUT / rows)
        found.append(
            Implausible(
                f"only {manifest.validation_examples:,} of {counted(rows, 'row')} are held out: "
                "metrics of so few are left to chance",
                f"--validation-fraction {wanted:.2g} holds out about {wanted * rows:,.0f}",
            )
        )
    return [finding for finding in found if finding]


def _mostly_passed_over(counts: Counts) -> Implausible | None:
    # Those stand beside every text, however few files it is in.
    count = sum(counts.passed_over.values()) - counts.passed_over.get(COMPANION, 0)
    if count <= counts.files and counts.passed_over_bytes <= counts.input_bytes:
        return None
    if not counts.files:  # prepared before they were counted
        return None
    return Implausible(
        f"more was passed over than read: {describe_kinds(counts.passed_over)} "
        f"({counted(counts.passed_over_bytes, 'byte')}), and {counted(counts.files, 'file')} "
        f"{'was' if counts.files == 1 else 'were'} read ({counted(counts.input_bytes, 'byte')})",
        cures(
            counts.passed_over,
            otherwise="if they are text, name them, or say with --format what all files are",
        ),
    )


def unknown_tokens(manifest: Manifest) -> Implausible | None:
    """The finding about tokens that are [UNK]; None if they are few.

    Raises:
      DataError: The vocabulary is damaged.
    """
    rate = manifest.counts.unknown_rate
    if rate <= SUSPECT_UNKNOWN:
        return None
    return describe_unknown(
        rate,
        list(manifest.unknown_words),
        manifest.text_ids().tokens,
        manifest.tokenizer,
    )


def check_unknown(manifest: Manifest) -> None:
    """Refuses a text that is mostly [UNK].

    Raises:
      DataError: More than 30% of its tokens are, or the vocabulary is damaged.
    """
    finding = unknown_tokens(manifest)
    if finding and manifest.counts.unknown_rate > MOST_UNKNOWN:
        raise DataError(
            f"{finding.message}; more than {MOST_UNKNOWN:.0%} is no text to train on",
            hint=f"{finding.hint}; or accept it: the same command with --allow-unknown goes on "
            "from here",
        )


class UnknownWatch:
    """Warns once as soon as the slices that are finished have too many [UNK].

    Args:
      tokenizer: What is done with case and accents; None where the tokenizer decides.
      tokens: The vocabulary.
      on_warning: Receives the warning.
    """

    def __init__(
        self,
        tokenizer: TokenizerOptions | None,
        tokens: Sequence[str],
        on_warning: Callable[[str], None],
    ) -> None:
        self._tokenizer = tokenizer
        self._tokens = tokens
        self._warn: Callable[[str], None] | None = on_warning
        self._counts = Counts()
        self._words: Counter[str] = Counter()

    def add(self, record: SliceRecord) -> None:
        """Looks at a finished slice."""
        if self._warn is None:
            return
        self._counts.add(record.counts)
        add_words(self._words, record.unknown_words)
        rate = self._counts.unknown_rate
        if rate <= SUSPECT_UNKNOWN:
            return
        finding = describe_unknown(
            rate,
            list(most_frequent(self._words)),
            self._tokens,
            self._tokenizer,
        )
        self._warn(f"so far {finding}")
        self._warn = None


def describe_unknown(
    rate: float, words: Sequence[str], tokens: Sequence[str], tokenizer: TokenizerOptions | None
) -> Implausible:
    """Says how much is [UNK], with examples and the likeliest cause.

    Args:
      rate: [UNK] a token.
      words: The white-space words that were met with an [UNK], the most frequent first.
      tokens: The vocabulary.
      tokenizer: What is done with case and accents; None where the tokenizer decides.
    """
    cause = _cause(words, tokens, tokenizer)
    examples = ", ".join(repr(word) for word in words[:_EXAMPLES])
    return Implausible(
        f"{rate:.1%} of the tokens are [UNK], as in {examples}: {cause.message}", cause.hint
    )


_OTHER_VOCABULARY = (
    "a vocabulary that --vocab brought is not of this language: leave --vocab out to train one; "
    "one that was trained here needs more room: a larger --vocab-size, or --vocab-alphabet"
)

_WITHOUT_CAUSE = Implausible(
    "the vocabulary has their characters, but not the pieces to put them together",
    _OTHER_VOCABULARY,
)


def _cause(
    words: Sequence[str], tokens: Sequence[str], tokenizer: TokenizerOptions | None
) -> Implausible:
    """The first cause that vocabulary and words show."""
    pieces = [token for token in tokens if not (token.startswith("[") and token.endswith("]"))]
    marks = _FOREIGN_PIECES.items() if tokenizer else ()
    for mark, kind in marks:
        if _share(piece.startswith(mark) for piece in pieces) > _TELLING:
            return Implausible(
                f"pieces of the vocabulary begin with {mark}, so it is one of {kind}, and a file "
                f"of word pieces marks what continues a word with {CONTINUATION}",
                "bring the tokenizer.json that it belongs to, or leave --vocab out to train one",
            )
    known = {character for piece in pieces for character in _folded(piece)}
    lacking = {word: set(_folded(word)) - known for word in words}
    if _share(map(bool, lacking.values())) > 0.5:
        scripts = Counter(_script(c) for characters in lacking.values() for c in characters)
        script = scripts.most_common(1)[0][0]
        return Implausible(
            f"the vocabulary lacks characters of these words, most of them {script}",
            _OTHER_VOCABULARY,
        )
    if tokenizer is None:
        return _WITHOUT_CAUSE
    lowercase, strip_accents = tokenizer.lowercase, tokenizer.strip_accents
    if _share(len(word) >= LONGEST_UNKNOWN_WORD for word in words) > 0.5:
        return Implausible(
            "these words are long, and one of more than "
            f"{MAX_CHARACTERS_PER_WORD} characters is given up as a whole",
            "divide text without spaces with a word segmenter of its language first",
        )
    is_cased = _share(piece != piece.lower() for piece in pieces) > _TELLING
    has_marks = _share(map(has_mark, pieces)) > _TELLING
    if lowercase and is_cased:
        return Implausible(
            "the vocabulary has capital letters and so is a cased one, but the text is lower-cased",
            "--no-lowercase --no-strip-accents keeps both as they are",
        )
    if not lowercase and not is_cased and _share(word != word.lower() for word in words) > 0.5:
        return Implausible(
            "the vocabulary has no capital letters, but those of the text are kept",
            "--lowercase makes small letters of them",
        )
    if strip_accents and has_marks:
        return Implausible(
            "the vocabulary has accents, but those of the text are removed",
            "--no-strip-accents keeps them",
        )
    if not strip_accents and not has_marks and _share(map(has_mark, words)) > 0.5:
        return Implausible(
            "the vocabulary has no accents, but those of the text are kept",
            "--strip-accents removes them",
        )
    return _WITHOUT_CAUSE


def _folded(word: str) -> str:
    return without_marks(word, lowercase=True)


def _share(values: Iterable[bool]) -> float:
    listed = list(values)
    return sum(listed) / max(len(listed), 1)


def _script(character: str) -> str:
    """The script of a character as its name in Unicode begins: Cyrillic, CJK, Arabic."""
    first = unicodedata.name(character, "unnamed").split()[0]
    return first if len(first) <= 3 else first.capitalize()


def _marks_lost(manifest: Manifest) -> Implausible | None:
    counts = manifest.counts
    share = counts.sampled_marked_words / max(counts.sampled_words, 1)
    options = manifest.tokenizer
    if options is None or not options.strip_accents or share <= SUSPECT_MARKED:
        return None
    examples = ", ".join(
        f"{word!r} becomes {without_marks(word, lowercase=options.lowercase)!r}"
        for word in list(manifest.marked_words)[:_EXAMPLES]
    )
    return Implausible(
        f"{share:.1%} of the words lose marks: {examples}",
        "--no-strip-accents keeps them, and needs a vocabulary that has them",
    )

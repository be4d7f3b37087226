"""Figures about a corpus, as its manifest keeps them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import field

from pydantic.dataclasses import dataclass

MOST_WORDS = 100  # that a manifest names

# Different words that are added up; of a terabyte's slices each hands on a hundred.
_MOST_ADDED = 2**16

# A manifest is no place for a million different endings.
_MOST_KINDS = 50
_OTHERS = "others"


# Some are counted for every document, and the attributes of a pydantic model are slow to set.
@dataclass(config={"extra": "forbid"})
class Counts:
    """What was met on the way from text to examples.

    Attributes:
      documents: Documents that made at least one example.
      validation_documents: Those of them that are held out.
      empty_documents: Documents in which no token was left.
      words: White-space words.
      tokens: Word pieces of the text, before trimming.
      unknown_tokens: Those of them that are [UNK].
      dropped_tokens: Those of them that trimming to the sequence length left out.
      padding: Padded positions in all shards.
      sampled_words: White-space words at the beginning of each slice.
      sampled_marked_words: Those of them that have marks, whether or not these are stripped.
      duplicate_documents: Exact duplicates that were left out.
      near_duplicates: Near ones.
      duplicate_paragraphs: Paragraphs of other documents.
      emptied_documents: Documents of which no paragraph was left.
      input_bytes: Bytes read, uncompressed; of Parquet and Arrow, of the text alone.
      bad_json_lines: Lines skipped because they are no JSON object with the text field.
      bad_rows: Rows of tables skipped because they are malformed or have no text.
      invalid_utf8: Documents skipped because they are not valid UTF-8.
      too_long: Lines of JSON, rows and cells skipped because they are too long.
      unreadable_files: Files and members of archives left out because no reader knows them.
      unreadable_members: Those of them that are members.
      damaged_inputs: Files, members and parts of tables that were not read to their end.
      files: Files and members of archives that were taken for text.
      passed_over: Files of folders and members of archives that were not, by kind.
      passed_over_members: Those of them that are members.
      passed_over_bytes: Bytes of them all.
      cut_documents: Cuts through documents that were too large.
      composed_documents: Documents that NFC changed.
      short_documents: Documents left out because they are short.
      replacement_documents: Documents left out for their replacement characters.
      control_documents: Documents left out for their control characters.
    """

    documents: int = 0
    validation_documents: int = 0
    empty_documents: int = 0
    words: int = 0
    tokens: int = 0
    unknown_tokens: int = 0
    dropped_tokens: int = 0
    padding: int = 0
    sampled_words: int = 0
    sampled_marked_words: int = 0
    duplicate_documents: int = 0
    near_duplicates: int = 0
    duplicate_paragraphs: int = 0
    emptied_documents: int = 0
    input_bytes: int = 0
    bad_json_lines: int = 0
    bad_rows: int = 0
    invalid_utf8: int = 0
    too_long: int = 0
    unreadable_files: int = 0
    unreadable_members: int = 0
    damaged_inputs: int = 0
    files: int = 0
    passed_over: dict[str, int] = field(default_factory=dict)
    passed_over_members: int = 0
    passed_over_bytes: int = 0
    cut_documents: int = 0
    composed_documents: int = 0
    short_documents: int = 0
    replacement_documents: int = 0
    control_documents: int = 0

    @property
    def unknown_rate(self) -> float:
        """[UNK] a token; 0 without tokens."""
        return self.unknown_tokens / max(self.tokens, 1)

    def add(self, other: Counts) -> None:
        """Adds another's figures to these."""
        for name, figure in vars(other).items():
            if name == "passed_over":
                add_kinds(self.passed_over, figure)
            else:
                setattr(self, name, getattr(self, name) + figure)

    def since(self, before: Counts) -> Counts:
        """What these have grown by since an earlier copy of them was made."""
        now, then = dict(vars(self)), vars(before)
        kinds = Counter(now.pop("passed_over")) - Counter(then["passed_over"])
        grown = {name: figure - then[name] for name, figure in now.items()}
        return Counts(passed_over=dict(kinds), **grown)


def add_kinds(kinds: dict[str, int], more: Mapping[str, int]) -> None:
    """Adds counts by kind to others; of very many kinds the later ones become one."""
    for kind, count in more.items():
        known = kind in kinds or len(kinds) < _MOST_KINDS
        name = kind if known else _OTHERS
        kinds[name] = kinds.get(name, 0) + count


def add_words(words: Counter[str], more: Mapping[str, int], most: int = _MOST_ADDED) -> None:
    """Adds counts of words to others; of very many different ones the rarest give way."""
    words.update(more)
    if len(words) > most:
        kept = most_frequent(words, most // 2)
        words.clear()
        words.update(kept)


def most_frequent(words: Mapping[str, int], number: int = MOST_WORDS) -> dict[str, int]:
    """The words that came most often, in this order, and of equally frequent ones in theirs."""
    ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:number])

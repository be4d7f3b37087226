"""Figures about a corpus, as its manifest keeps them."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

MOST_WORDS = 100  # that a manifest names

# A manifest is no place for a million different endings.
_MOST_KINDS = 50
_OTHERS = "others"


class Counts(BaseModel):
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

    The others are those of `SliceCounts` but for its names.
    """

    model_config = ConfigDict(extra="forbid")

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
    passed_over: dict[str, int] = {}
    passed_over_members: int = 0
    passed_over_bytes: int = 0
    cut_documents: int = 0
    composed_documents: int = 0
    short_documents: int = 0
    replacement_documents: int = 0
    control_documents: int = 0

    def add(self, other: Counts) -> None:
        """Adds another's figures to these."""
        for name in Counts.model_fields:
            if name == "passed_over":
                add_kinds(self.passed_over, other.passed_over)
            else:
                setattr(self, name, getattr(self, name) + getattr(other, name))


def add_kinds(kinds: dict[str, int], more: Mapping[str, int]) -> None:
    """Adds counts by kind to others; of very many kinds the later ones become one."""
    for kind, count in more.items():
        known = kind in kinds or len(kinds) < _MOST_KINDS
        name = kind if known else _OTHERS
        kinds[name] = kinds.get(name, 0) + count


def most_frequent(words: Mapping[str, int], number: int = MOST_WORDS) -> dict[str, int]:
    """The words that came most often, in this order, and of equally frequent ones in theirs."""
    ranked = sorted(words.items(), key=lambda item: (-item[1], item[0]))
    return dict(ranked[:number])

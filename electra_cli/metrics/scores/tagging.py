"""Scores of a tag for each word: of words, and of the spans that tags mark.

Spans are counted as seqeval does by default, which is conlleval's way. A span goes on from one
word to the next if the next is I or E, of the same type, and the word itself is B or I; any other
tag but O begins a span. So an I at the beginning of a sentence begins a span, and an S or E ends
one. seqeval's strict mode differs for tags that break their scheme: it leaves out a span of BIO
that begins with I, and one of BIOES that does not end with E.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from electra_cli.metrics.scores.counts import (
    mean_over,
    precision_recall_f1,
    scores_of_labels,
    share,
)
from electra_cli.metrics.scores.names import (
    ACCURACY,
    MACRO_F1,
    SPAN_F1,
    SPAN_PRECISION,
    SPAN_RECALL,
    per_label,
)

OUTSIDE = "O"
_PLACES = frozenset("BIES")

Tags = Sequence[str | None]
Span = tuple[int, int, str]


def types_of(tags: Sequence[str], scheme: str) -> tuple[str, ...]:
    """What is scored one by one: the tags as they are, or the types of spans, sorted.

    Args:
      tags: All tags.
      scheme: none, bio, bioes or io.
    """
    if scheme == "none":
        return tuple(tags)
    parts = (_place_and_type(tag) for tag in tags)
    return tuple(sorted({kind for place, kind in parts if place != OUTSIDE}))


def names(tags: Sequence[str], scheme: str) -> tuple[str, ...]:
    """What `scores` returns, in the order to show it.

    Args:
      tags: All tags.
      scheme: none, bio, bioes or io.
    """
    of_spans = () if scheme == "none" else (SPAN_PRECISION, SPAN_RECALL, SPAN_F1)
    return (ACCURACY, *of_spans, MACRO_F1, *per_label(types_of(tags, scheme)))


def scores(
    gold: Sequence[Sequence[str]], predictions: Sequence[Tags], tags: Sequence[str], scheme: str
) -> dict[str, float]:
    """Scores predicted tags.

    Args:
      gold: The right tag of each word, by sentence; one that is not among `tags` is missed.
      predictions: The predicted one; None for a word without, which is wrong whatever it is.
      tags: All tags.
      scheme: none: each word is by itself; bio, bioes or io: tags mark spans, and the scores of
        types are those of spans.

    Returns:
      By `names`. Precision, recall and F1 are 0 where there is nothing to divide by; macro F1 is
      the mean over the types that occur in gold or predictions, NaN without any. The accuracy of
      no words is NaN.
    """
    types = types_of(list(dict.fromkeys(chain(tags, *gold))), scheme)
    counts = [Counter[str]() for _ in range(3)]  # hits, predicted, gold; by type
    words = right = 0
    for true, said in zip(gold, predictions, strict=True):
        words += len(true)
        right += sum(a == b for a, b in zip(true, said, strict=True))
        of_gold, of_said = set(_units(true, scheme)), set(_units(said, scheme))
        for counter, units in zip(counts, (of_gold & of_said, of_said, of_gold), strict=True):
            counter.update(kind for *_, kind in units)
    table = np.array([[counter[kind] for kind in types] for counter in counts])  # [3, types]
    by_type = precision_recall_f1(*table)  # [3, types]
    found = {
        ACCURACY: share(right, words),
        MACRO_F1: mean_over(by_type[2], table[1:].sum(axis=0) > 0),
        **scores_of_labels(types, by_type),
    }
    spans = precision_recall_f1(*table.sum(axis=1)).tolist()  # [3]
    found |= dict(zip((SPAN_PRECISION, SPAN_RECALL, SPAN_F1), spans, strict=True))
    return {name: found[name] for name in names(tags, scheme)}


def spans_of(tags: Tags) -> Iterator[Span]:
    """The spans that the tags of a sentence mark: first word, last word, type; in order."""
    begun, type_before, place_before = 0, "", OUTSIDE
    for word, tag in enumerate([*tags, OUTSIDE]):
        place, kind = _place_and_type(tag)
        goes_on = place in "IE" and place_before in "BI" and kind == type_before
        if not goes_on:
            if place_before != OUTSIDE:
                yield begun, word - 1, type_before
            begun = word
        place_before, type_before = place, kind


def _units(tags: Tags, scheme: str) -> Iterator[Span]:
    if scheme == "none":
        return ((word, word, tag) for word, tag in enumerate(tags) if tag is not None)
    return spans_of(tags)


def _place_and_type(tag: str | None) -> tuple[str, str]:
    """B-NP -> B, NP; a tag without its place, as IO may have it, is inside of its type."""
    place, dash, kind = (tag or OUTSIDE).partition("-")
    if place == OUTSIDE or (place in _PLACES and (dash or not kind)):
        return place, kind or "_"
    return "I", tag or ""

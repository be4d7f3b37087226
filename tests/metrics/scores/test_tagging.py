"""Scores of tagging against seqeval for spans and scikit-learn for words."""

from __future__ import annotations

import math
import warnings
from itertools import chain

import numpy as np
import pytest
from seqeval import metrics as seqeval
from seqeval.metrics.sequence_labeling import get_entities
from sklearn import metrics as sklearn_metrics

from electra_cli.metrics.scores import tagging

TAGS = {
    "bio": ["O", "B-NP", "I-NP", "B-VP", "I-VP", "B-A-B", "I-A-B", "B", "I"],
    "bioes": ["O", *(f"{place}-{kind}" for place in "BIES" for kind in ("NP", "VP", "X"))],
    "io": ["O", "I-NP", "I-VP"],
    "none": ["DET", "NOUN", "I", "O", "B-X"],
}


def table(scheme: str, case: int) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences of random tags, mostly against the rules of their scheme."""
    rng = np.random.default_rng(case)
    tags = TAGS[scheme]
    weights = rng.dirichlet(np.full(len(tags), rng.choice([0.2, 3.0])))
    gold, said = [], []
    for length in rng.integers(1, 12, rng.integers(1, 9)):
        right, guess = rng.choice(tags, length, p=weights), rng.choice(tags, length)
        gold.append(right.tolist())
        said.append(np.where(rng.random(length) < 0.7, right, guess).tolist())
    return gold, said


def seqeval_scores(gold: list[list[str]], said: list[list[str]]) -> dict[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a share of nothing is set to zero
        parts = (seqeval.precision_score, seqeval.recall_score, seqeval.f1_score)
        names = ("span_precision", "span_recall", "span_f1")
        found = {name: part(gold, said) for name, part in zip(names, parts, strict=True)}
        found["macro_f1"] = seqeval.f1_score(gold, said, average="macro")
        report = seqeval.classification_report(gold, said, output_dict=True)
    found["accuracy"] = seqeval.accuracy_score(gold, said)
    for kind in report.keys() - {"micro avg", "macro avg", "weighted avg"}:
        names = (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score"))
        found |= {f"{name}/{kind}": report[kind][theirs] for name, theirs in names}
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("case", range(25))
@pytest.mark.parametrize("scheme", ["bio", "bioes", "io"])
def test_equal_to_seqeval(scheme: str, case: int) -> None:
    gold, said = table(scheme, case)
    found = tagging.scores(gold, said, TAGS[scheme], scheme)
    assert tuple(found) == tagging.names(TAGS[scheme], scheme)
    absent = {name: 0.0 for name in found if "/" in name}  # seqeval lists what occurs
    assert found == pytest.approx(absent | seqeval_scores(gold, said), abs=1e-12, nan_ok=True)
    # Gold tags that are not known are missed, and count no less.
    known = [tag for tag in TAGS[scheme] if not tag.endswith("VP")]
    said = [[tag if tag in known else known[0] for tag in tags] for tags in said]
    found = tagging.scores(gold, said, known, scheme)
    assert tuple(found) == tagging.names(known, scheme)
    expected = absent | seqeval_scores(gold, said)
    expected = {name: expected[name] for name in found}
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)
    for tags in gold + said:
        theirs = [(first, last, kind) for kind, first, last in get_entities(tags)]
        assert list(tagging.spans_of(tags)) == theirs


@pytest.mark.parametrize("case", range(30))
def test_words_by_themselves_equal_scikit_learn(case: int) -> None:
    gold, said = table("none", case)
    found = tagging.scores(gold, said, TAGS["none"], "none")
    right, guess = list(chain(*gold)), list(chain(*said))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert found["macro_f1"] == pytest.approx(
            sklearn_metrics.f1_score(right, guess, average="macro")
        )
        each = sklearn_metrics.f1_score(right, guess, labels=TAGS["none"], average=None)
    assert found["accuracy"] == pytest.approx(sklearn_metrics.accuracy_score(right, guess))
    assert [found[f"f1/{tag}"] for tag in TAGS["none"]] == pytest.approx(each.tolist())
    assert not [name for name in found if name.startswith("span")]


@pytest.mark.parametrize("scheme", ["bio", "none"])
def test_a_word_without_a_prediction_is_wrong(scheme: str) -> None:
    gold = [["B-NP", "I-NP", "O", "O"], ["B-VP"]]
    said = [["B-NP", "I-NP", "O", None], [None]]
    tags = ["O", "B-NP", "I-NP", "B-VP"]
    found = tagging.scores(gold, said, tags, scheme)
    assert found["accuracy"] == 3 / 5
    if scheme == "bio":
        assert (found["span_precision"], found["span_recall"]) == (1.0, 0.5)
    else:
        assert (found["precision/O"], found["recall/O"], found["recall/B-VP"]) == (1.0, 0.5, 0)


def test_a_tag_of_io_may_lack_its_place() -> None:
    tags = ["O", "PER", "LOC-A"]
    assert tagging.types_of(tags, "io") == ("LOC-A", "PER")
    spans = list(tagging.spans_of(["PER", "PER", "O", "LOC-A", "PER"]))
    assert spans == [(0, 1, "PER"), (3, 3, "LOC-A"), (4, 4, "PER")]


@pytest.mark.parametrize("scheme", TAGS)
@pytest.mark.parametrize("gold", [[], [[]], [["O", "O"]]], ids=["none", "empty", "outside"])
def test_nothing_to_score(scheme: str, gold: list[list[str]]) -> None:
    found = tagging.scores(gold, gold, TAGS[scheme], scheme)
    no_units = scheme != "none" or not list(chain(*gold))
    assert math.isnan(found["macro_f1"]) == no_units
    assert math.isnan(found["accuracy"]) == (not list(chain(*gold)))


@pytest.mark.parametrize("said", [[["O"]], [["O", "O"], ["O"]]])
def test_other_words_than_gold_are_refused(said: list[list[str]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        tagging.scores([["O", "O"]], said, ["O"], "none")

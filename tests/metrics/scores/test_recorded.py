"""The reference's scores of recorded predictions, and where ours differ because it errs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from electra_cli.metrics.scores import classification, regression, squad, tagging

RECORDED = json.loads(
    (Path(__file__).parents[2] / "golden" / "finetune_metrics" / "metrics.json").read_text(
        encoding="utf-8"
    )
)


def classified(case: str) -> dict[str, float]:
    labels = [str(label) for label in range(1 + max(RECORDED[case]["label_ids"]))]
    return classification.scores(RECORDED[case]["label_ids"], RECORDED[case]["predictions"], labels)


@pytest.mark.parametrize(
    ("case", "theirs", "ours"), [("accuracy", "accuracy", "accuracy"), ("mcc", "mcc", "matthews")]
)
def test_classification(case: str, theirs: str, ours: str) -> None:
    assert classified(case)[ours] * 100 == pytest.approx(RECORDED[case]["results"][theirs])


def test_f1_counts_gold_where_the_reference_counts_predictions() -> None:
    found = classified("f1")
    ours = {name: 100 * found[f"{name}/1"] for name in ("precision", "recall", "f1")}
    assert ours == pytest.approx(RECORDED["f1"]["true"])
    theirs = RECORDED["f1"]["results"]
    assert theirs["precision"] == theirs["recall"] == pytest.approx(ours["precision"])
    assert theirs["recall"] < ours["recall"]


def test_regression() -> None:
    recorded = RECORDED["regression"]
    found = regression.scores(recorded["targets"], recorded["predictions"])
    for name in ("pearson", "spearman"):
        assert found[name] * 100 == pytest.approx(recorded["results"][name], rel=1e-6)
    assert found["mse"] == pytest.approx(recorded["results"]["mse"], rel=1e-6)


def tagged() -> tuple[list[list[str]], list[list[str]], list[str]]:
    recorded = RECORDED["tagging"]
    tags = sorted(recorded["label_map"], key=recorded["label_map"].get)
    words = [int(sum(mask)) for mask in recorded["labels_mask"]]
    gold, said = (
        [[tags[tag] for tag in row[:count]] for row, count in zip(rows, words, strict=True)]
        for rows in (recorded["labels"], recorded["predictions"])
    )
    return gold, said, tags


def test_accuracy_of_words() -> None:
    found = tagging.scores(*tagged(), "bioes")
    theirs = RECORDED["tagging"]["token_accuracy"]["accuracy"]
    assert found["accuracy"] * 100 == pytest.approx(theirs)


def well_formed(tags: list[str]) -> bool:
    """Whether tags of BIOES keep its rules: what begins also ends, within one type."""
    pairs = zip(["O", *tags], [*tags, "O"], strict=True)
    return all(
        (left[0] in "BI" and right[0] in "IE" and left[1:] == right[1:])
        or (left[0] in "OES" and right[0] in "OBS")
        for left, right in pairs
    )


def test_spans_differ_only_where_tags_break_their_scheme() -> None:
    """The reference ends a span at B, S or O alone and gives it the type of its last word."""
    differ = []
    for case in RECORDED["spans"]:
        theirs = [tuple(span) for span in case["spans"]]
        ours = list(tagging.spans_of(case["tags"]))
        assert ours == theirs or not well_formed(case["tags"])
        differ += [case["tags"]] * (ours != theirs)
    assert ["E-VP", "I-NP", "S-NP", "B-VP", "S-NP"] in differ
    assert len(differ) < len(RECORDED["spans"])


def reference_spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """The reference's rule, which the recorded spans confirm."""
    found, first = set(), 0
    for word, tag in enumerate(tags):
        before = tags[word - 1] if word else "O"
        first = word if before == "O" or tag[0] in "BS" else first
        after = tags[word + 1] if word + 1 < len(tags) else "O"
        if tag != "O" and after[0] in "BSO":
            found.add((first, word, tag.split("-")[-1]))
    return found


def test_span_f1_differs_by_nothing_but_that_rule() -> None:
    for case in RECORDED["spans"]:
        assert reference_spans(case["tags"]) == {tuple(span) for span in case["spans"]}
    gold, said, tags = tagged()
    theirs = RECORDED["tagging"]["span_f1"]
    percent = [100 * value for value in reference_shares(gold, said)]
    assert percent == pytest.approx([theirs["precision"], theirs["recall"]])
    kept = [pair for pair in zip(gold, said, strict=True) if all(map(well_formed, pair))]
    assert 0 < len(kept) < len(gold)
    gold, said = ([pair[side] for pair in kept] for side in (0, 1))
    found = tagging.scores(gold, said, tags, "bioes")
    ours = [found["span_precision"], found["span_recall"]]
    assert ours == pytest.approx(reference_shares(gold, said))


def reference_shares(gold: list[list[str]], said: list[list[str]]) -> list[float]:
    """Precision and recall of spans by the reference's rule."""
    pairs = [(reference_spans(a), reference_spans(b)) for a, b in zip(gold, said, strict=True)]
    hits = sum(len(right & guess) for right, guess in pairs)
    return [hits / sum(len(pair[side]) for pair in pairs) for side in (1, 0)]


@pytest.mark.parametrize("case", RECORDED["squad_normalize"])
def test_normalized_answers(case: dict[str, str]) -> None:
    assert squad.normalized(case["text"]) == case["v1"] == case["v2"]


@pytest.mark.parametrize("case", RECORDED["squad_pair"])
def test_pairs_of_answers(case: dict[str, Any]) -> None:
    gold, said = case["gold"], case["predicted"]
    assert squad.exact_match(gold, said) == case["v1_exact"] == case["v2_exact"]
    assert squad.f1(gold, said, answerable=True) == pytest.approx(case["v1_f1"])
    assert squad.f1(gold, said, answerable=False) == pytest.approx(case["v2_f1"])

"""What the scores of tasks are called, which is the main one, and which way is better.

Every score is a share between 0 and 1 or a correlation, never a percentage.
"""

from __future__ import annotations

from collections.abc import Iterable

ACCURACY = "accuracy"
F1 = "f1"
MACRO_F1 = "macro_f1"
MICRO_F1 = "micro_f1"
MATTHEWS = "matthews"
PEARSON = "pearson"
SPEARMAN = "spearman"
MSE = "mse"
LOSS = "loss"
SPAN_PRECISION = "span_precision"
SPAN_RECALL = "span_recall"
SPAN_F1 = "span_f1"
EXACT_MATCH = "exact_match"
TOTAL = "total"
THRESHOLD = "threshold"

PER_LABEL = ("precision", "recall", "f1")
_COUNTS = frozenset({TOTAL, f"HasAns_{TOTAL}", f"NoAns_{TOTAL}"})
_THRESHOLDS = frozenset({THRESHOLD, "best_exact_thresh", "best_f1_thresh"})


def per_label(labels: Iterable[str]) -> tuple[str, ...]:
    """Names of the scores of each label: precision/LABEL, recall/LABEL, f1/LABEL."""
    return tuple(f"{score}/{label}" for label in labels for score in PER_LABEL)


def primary(kind: str, scheme: str = "none") -> str:
    """What checkpoints and seeds are compared by where nothing else is asked for.

    Args:
      kind: classification, regression, tagging or qa.
      scheme: Of a tagging; none, where each word stands for itself.
    """
    if kind == "tagging":
        return ACCURACY if scheme == "none" else SPAN_F1
    return {"classification": ACCURACY, "regression": SPEARMAN, "qa": F1}[kind]


def plain(name: str) -> str:
    """The name of a score without that of the split that may stand before it: b/mse -> mse."""
    split, slash, score = name.partition("/")
    return score if slash and split not in PER_LABEL else name


def label_of(name: str) -> str | None:
    """The label that a score is of: f1/LABEL; None for those of all labels."""
    score, _, label = plain(name).partition("/")
    return label if score in PER_LABEL and label else None


def higher_is_better(name: str) -> bool:
    """Whether a larger value of a score is a better one, which that of an error is not."""
    return plain(name) not in (MSE, LOSS)


def is_count(name: str) -> bool:
    """Whether it is a number of examples that stands among the scores."""
    return plain(name) in _COUNTS


def is_score(name: str) -> bool:
    """Whether it says how good something is, which counts and thresholds do not."""
    return not is_count(name) and plain(name) not in _THRESHOLDS

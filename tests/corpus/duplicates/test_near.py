from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import numpy as np
import pytest

from electra_cli.corpus.duplicates.near import (
    MOST_COMPARED,
    PERMUTATIONS,
    SIGNATURE_BYTES,
    Signer,
    find_near_duplicates,
)
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.errors import ConfigError
from tests.corpus.duplicates.test_outcome import deduplicate

NEAR = DuplicateOptions(near_duplicates=0.8)


def words(count, seed):
    rng = random.Random(seed)
    return [f"w{rng.randrange(10**6)}" for _ in range(count)]


def document(words_, width=20):
    return [" ".join(words_[start : start + width]) for start in range(0, len(words_), width)]


def altered(words_, changes, seed):
    """The words with some replaced, evenly, so that each change spoils five shingles."""
    result = list(words_)
    for number in range(changes):
        result[(number * len(result)) // changes + 2] = f"changed{seed}x{number}"
    return result


def jaccard(first, second):
    sets = [{tuple(w[i : i + 5]) for i in range(len(w) - 4)} for w in (first, second)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def estimate(first, second):
    signer = Signer()
    signed = [np.frombuffer(signer.sign(document(w)), "<u4") for w in (first, second)]
    return float(np.mean(signed[0] == signed[1]))


@pytest.mark.parametrize("changes", [0, 5, 20, 60])
def test_signatures_estimate_the_jaccard_index(changes):
    pairs = [(words(1000, seed), altered(words(1000, seed), changes, seed)) for seed in range(20)]
    errors = [estimate(*pair) - jaccard(*pair) for pair in pairs]
    assert abs(np.mean(errors)) < 0.03  # the deviation of one is at most 0.044
    assert max(map(abs, errors)) < 0.15
    if not changes:
        assert not any(errors)


def test_signatures_disregard_lines_and_capitals_but_not_the_order_of_words():
    signer = Signer()
    text = words(50, 1)
    signed = signer.sign(document(text))
    assert len(signed) == SIGNATURE_BYTES
    assert signer.sign(document(text, width=7)) == signed
    assert signer.sign([line.upper() for line in document(text)]) == signed
    assert signer.sign(document(sorted(text))) != signed


def test_short_documents_are_told_apart():
    signer = Signer()
    texts = [["a"], ["b"], ["a b"], ["b a"], ["a b c d"], ["a b c d e"], ["a b c d e f"]]
    assert len({signer.sign(text) for text in texts}) == len(texts)


def test_a_large_document_is_signed_like_its_parts():
    text = words(20_000, 3)
    signer = Signer()
    whole = np.frombuffer(signer.sign(document(text)), "<u4")
    parts = [text[:10_004], text[10_000:]]
    signed = [np.frombuffer(signer.sign(document(part)), "<u4") for part in parts]
    np.testing.assert_array_equal(whole, np.minimum(*signed))


def test_signatures_are_the_same_in_any_process():
    script = (
        "from electra_cli.corpus.duplicates.near import Signer;"
        "print(Signer().sign(['Some words that are signed', 'in two lines']).hex())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(path for path in sys.path if path), "PYTHONHASHSEED": "7"},
    )
    signed = Signer().sign(["Some words that are signed", "in two lines"])
    assert done.stdout.strip() == signed.hex()


def test_the_first_of_near_duplicates_stays(tmp_path):
    texts = [words(400, seed) for seed in range(6)]
    near = [altered(text, 4, seed) for seed, text in enumerate(texts)]
    far = altered(texts[0], 60, "far")
    assert jaccard(texts[0], near[0]) > 0.88
    assert jaccard(texts[0], far) < 0.5
    slices = [
        [document(texts[0]), document(texts[1]), document(near[0])],
        [document(near[1]), document(far), document(texts[2]), document(texts[0])],
        [document(near[2]), document(texts[3])],
    ]
    kept, counts = deduplicate(slices, tmp_path, NEAR)
    assert kept == [slices[0][:2], slices[1][1:3], slices[2][1:]]
    assert (counts.duplicate_documents, counts.near_duplicates) == (1, 3)


def test_paragraphs_of_near_duplicates_are_not_the_first_of_their_kind(tmp_path):
    first = document(words(400, 1))
    near = [*first[:-1], f"{first[-1]} and an ending"]
    slices = [[first, near], [["something else", near[-1]]]]
    options = DuplicateOptions(paragraphs=True, near_duplicates=0.8)
    kept, counts = deduplicate(slices, tmp_path, options)
    assert kept == [[first], slices[1]]
    assert (counts.near_duplicates, counts.duplicate_paragraphs) == (1, 0)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.8, 0.9, 0.95])
def test_thresholds_decide(threshold):
    base = words(1000, 1)
    texts = [base, *(altered(base, changes, changes) for changes in (1, 10, 30, 70, 150))]
    signer = Signer()
    signed = [np.frombuffer(signer.sign(document(text)), "<u4") for text in texts]
    found = {
        number
        for number in range(1, len(texts))
        if list(
            find_near_duplicates(
                [((0, 0), signed[0]), ((3, number), signed[number])],
                lambda place: signed[place[1]],
                threshold,
            )
        )
        == [(3, number)]
    }
    near = {n for n in range(1, len(texts)) if np.mean(signed[0] == signed[n]) >= threshold}
    # Hashing may miss what is near the threshold, but never adds anything.
    clearly = {n for n in near if np.mean(signed[0] == signed[n]) >= min(threshold + 0.1, 0.98)}
    assert clearly <= found <= near
    assert clearly
    assert signed[0].shape == (PERMUTATIONS,)


def with_something_in_common(count, *, share, seed=0):
    """Signatures that agree in about a share of their numbers, any two of them in its square."""
    rng = np.random.default_rng(seed)
    common = rng.integers(0, 2**32, PERMUTATIONS, dtype=np.uint32)
    own = rng.integers(0, 2**32, (count, PERMUTATIONS), dtype=np.uint32)
    return np.where(rng.random((count, PERMUTATIONS)) < share, common, own)  # [N, P]


def compared(signatures, threshold):
    """What is found, and how many pairs are compared for it."""
    comparisons = 0

    def signature_at(place):
        nonlocal comparisons
        comparisons += 1
        return signatures[place[1]]

    places = (((0, number), signature) for number, signature in enumerate(signatures))
    return list(find_near_duplicates(places, signature_at, threshold)), comparisons


def test_near_duplicates_are_compared_with_the_one_that_is_kept():
    signatures = with_something_in_common(20_000, share=0.97)
    found, comparisons = compared(signatures, 0.8)
    assert found == [(0, number) for number in range(1, 20_000)]
    assert comparisons == 19_999


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_a_crowd_that_shares_bands_is_not_compared_pair_by_pair(threshold):
    # As pages have that are made from one template: much in common, and yet no duplicates.
    crowd = with_something_in_common(2000, share=(threshold - 0.15) ** 0.5)
    near = crowd[[5, 1234, 1999]].copy()
    near[:, :6] = 7  # of 128 numbers
    found, comparisons = compared(np.concatenate([crowd, near]), threshold)
    assert MOST_COMPARED * 1000 < comparisons <= MOST_COMPARED * 2003
    assert {(0, 2000), (0, 2001), (0, 2002)} <= set(found)
    assert len(found) < 200


def test_without_the_library(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "datasketch" else find_spec(name)
    )
    for start in (Signer, lambda: DuplicateOptions(near_duplicates=0.8)):
        with pytest.raises(ConfigError, match="datasketch, which is not installed") as caught:
            start()
        assert caught.value.hint == "pip install '.[near-duplicates]'"


def test_the_library_is_imported_only_where_it_is_needed():
    script = (
        "import sys, electra_cli.corpus.duplicates.search as search;"
        "from electra_cli.corpus.duplicates.outcome import DuplicateOptions;"
        "DuplicateOptions(paragraphs=True, near_duplicates=0.8);"
        "print([n for n in ('datasketch', 'scipy', 'tensorflow') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"

from __future__ import annotations

import importlib.util
import random
import subprocess
import sys

import numpy as np
import pytest

from electra_cli.corpus.duplicates import decision
from electra_cli.corpus.duplicates.hashes import Held
from electra_cli.corpus.duplicates.near import (
    MOST_COMPARED,
    PERMUTATIONS,
    SIGNATURE_BYTES,
    Signer,
)
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.errors import ConfigError
from tests.corpus.duplicates.searching import (
    NEAR,
    SMALL,
    deduplicate,
    drifting,
    near_ones,
    near_ones_by_hand,
    with_something_in_common,
)


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
def test_thresholds_decide(tmp_path, monkeypatch, threshold):
    base = words(1000, 1)
    signer = Signer()
    found, near, clearly = set(), set(), set()
    for changes in (1, 10, 30, 70, 150):
        texts = [document(base), document(altered(base, changes, changes))]
        signed = np.array([np.frombuffer(signer.sign(text), "<u4") for text in texts])
        assert signed.shape == (2, PERMUTATIONS)
        if near_ones(signed, tmp_path / str(changes), monkeypatch, threshold, per_slice=1):
            found.add(changes)
        share = np.mean(signed[0] == signed[1])
        near |= {changes} if share >= threshold else set()
        clearly |= {changes} if share >= min(threshold + 0.1, 0.98) else set()
    # Hashing may miss what is near the threshold, but never adds anything.
    assert clearly <= found <= near
    assert clearly


@pytest.mark.parametrize("threshold", [0.5, 0.8])
@pytest.mark.parametrize("held", [Held(), SMALL])
def test_what_is_found_is_what_the_rules_say(tmp_path, monkeypatch, threshold, held):
    signatures = np.concatenate(
        [
            with_something_in_common(60, share=0.97),  # all near to the first
            drifting(60, changed=3),  # near to those before them, and farther from others
            with_something_in_common(60, share=(threshold - 0.1) ** 0.5, seed=1),
        ]
    )
    np.random.default_rng(0).shuffle(signatures)
    found = near_ones(signatures, tmp_path, monkeypatch, threshold, per_slice=20, held=held)
    assert found == near_ones_by_hand(signatures, threshold)
    assert 100 < len(found) < 150


def compared(signatures, folder, monkeypatch, threshold):
    """What is found, and how many pairs are compared for it."""
    comparisons = 0
    real = decision._Signatures.agreement

    def agreement(self, pairs):
        nonlocal comparisons
        comparisons += len(pairs)
        return real(self, pairs)

    monkeypatch.setattr(decision._Signatures, "agreement", agreement)
    return near_ones(signatures, folder, monkeypatch, threshold), comparisons


def test_near_duplicates_of_one_document_are_all_found(tmp_path, monkeypatch):
    signatures = with_something_in_common(5000, share=0.97)
    found, comparisons = compared(signatures, tmp_path, monkeypatch, 0.8)
    assert found == list(range(1, 5000))
    assert comparisons <= MOST_COMPARED * 5000


@pytest.mark.parametrize("threshold", [0.5, 0.8])
def test_a_crowd_that_shares_bands_is_not_compared_pair_by_pair(tmp_path, monkeypatch, threshold):
    # As pages have that are made from one template: much in common, and yet no duplicates.
    crowd = with_something_in_common(2000, share=(threshold - 0.15) ** 0.5)
    near = crowd[[5, 1234, 1999]].copy()
    near[:, :6] = 7  # of 128 numbers
    signatures = np.concatenate([crowd, near])
    found, comparisons = compared(signatures, tmp_path, monkeypatch, threshold)
    assert MOST_COMPARED * 1000 < comparisons <= MOST_COMPARED * 2003
    assert {2000, 2001, 2002} <= set(found)
    assert len(found) < 200


def test_most_of_the_versions_of_a_text_that_changes_slowly_are_found(tmp_path, monkeypatch):
    # One number in 128 is new in each, so one version in 26 or so has to stay at 0.8.
    found = near_ones(drifting(1000, changed=1), tmp_path, monkeypatch, 0.8)
    assert len(found) > 900


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

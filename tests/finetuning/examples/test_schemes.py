"""From one scheme of tags to another."""

from __future__ import annotations

import pytest

from electra_cli.finetuning.examples.schemes import found_scheme, in_scheme, parts_of
from tests.golden.preprocessing_case import preprocessing_case


def test_the_reference() -> None:
    sentences = preprocessing_case("tagging").texts["sentences"]
    assert sentences
    for sentence in sentences:
        bio, bioes = sentence["chunk_bio"], sentence["chunk_bioes"]
        assert list(in_scheme(bio, "bioes")) == bioes
        assert list(in_scheme(bioes, "bio")) == bio


@pytest.mark.parametrize(
    ("tags", "scheme", "written"),
    [
        ("I-A I-A B-A O I-B", "bio", "B-A I-A B-A O B-B"),
        ("I-A I-B I-B", "bioes", "S-A B-B E-B"),
        ("B-A L-A U-B O M-B", "bioes", "B-A E-A S-B O S-B"),
        ("B I O B", "bioes", "B E O S"),
        ("B-A B-A", "io", "I-A I-A"),
        ("B-x-y I-x-y", "bioes", "B-x-y E-x-y"),
        ("B-A I-B", "bio", "B-A B-B"),
        ("", "bio", ""),
    ],
)
def test_written_anew(tags: str, scheme: str, written: str) -> None:
    assert " ".join(in_scheme(tags.split(), scheme)) == written


@pytest.mark.parametrize(
    ("sentences", "scheme"),
    [
        (["B-A I-A O B-A", "O"], "bio"),
        (["B-A O B-A"], "bio"),
        (["I-A I-A B-A O I-B"], "iob1"),
        (["I-A O B-A"], "bio"),  # only careless
        (["I-A I-A O I-B"], "io"),
        (["B-A E-A O"], "bioes"),
        (["U-A O"], "bioes"),
        (["O O"], "none"),
        (["NN VB , -LRB-"], "none"),
        (["B-A I-A O O X"], "bio"),
        (["X Y Z B-A"], "none"),
        ([""], "none"),
    ],
)
def test_found(sentences: list[str], scheme: str) -> None:
    assert found_scheme([sentence.split() for sentence in sentences]) == scheme


def test_parts() -> None:
    tags = ("O", "B-A", "L-A", "B", "O-A", "NN", "-LRB-", "B-", "")
    found = [("O", ""), ("B", "A"), ("E", "A"), ("B", "")]
    assert [parts_of(tag) for tag in tags] == [*found, None, None, None, None, None]

from __future__ import annotations

import pytest

from electra_cli.corpus.wordpiece.vocabulary import SpecialIds, load_vocabulary, special_ids
from electra_cli.errors import DataError, InputMissingError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary(tmp_path, lines, newline="\n"):
    path = tmp_path / "vocab.txt"
    path.write_bytes(newline.join([*lines, ""]).encode("utf-8"))
    return path


def test_special_ids_are_where_the_tokens_are(tmp_path):
    path = vocabulary(tmp_path, ["[PAD]", "[unused0]", *SPECIAL[1:], "a"])
    tokens = load_vocabulary(path)
    assert special_ids(tokens) == SpecialIds(pad=0, unk=2, cls=3, sep=4, mask=5)


def test_unusual_tokens_and_line_ends(tmp_path):
    tokens = [*SPECIAL, "\u2028", "\x85", "a b"]
    assert load_vocabulary(vocabulary(tmp_path, tokens, newline="\r\n")) == tokens


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "is empty"),
        (["[PAD]", "[UNK]", "[CLS]", "a"], r"lacks \[SEP\], \[MASK\]"),
        ([*SPECIAL, "a", "b", "a"], "line 8 repeats 'a' of line 6"),
        ([*SPECIAL, "a", "", "b"], "line 7 is blank"),
        (SPECIAL, "has its special tokens alone"),
        (["a", *SPECIAL], r"\[PAD\] on line 2"),
    ],
)
def test_unusable_vocabularies(tmp_path, lines, message):
    with pytest.raises(DataError, match=message) as caught:
        load_vocabulary(vocabulary(tmp_path, lines))
    assert caught.value.exit_code == 65
    assert caught.value.hint


@pytest.mark.parametrize(
    ("lines", "hint"),
    [
        ([*SPECIAL, "a", "", "b"], "put [unused0] on line 7"),
        ([*SPECIAL, "", "[unused0]", "", "b"], "put [unused1] on line 6"),
        ([*SPECIAL, "a", "", " \t"], "delete the blank lines at its end, from line 7 on"),
    ],
)
def test_a_blank_line_keeps_its_id(tmp_path, lines, hint):
    """To leave the vocabulary out would be to lose the model that it belongs to."""
    with pytest.raises(DataError, match="is blank") as caught:
        load_vocabulary(vocabulary(tmp_path, lines))
    assert caught.value.hint.startswith(hint)


def test_missing_and_undecodable_vocabulary(tmp_path):
    with pytest.raises(InputMissingError, match="nowhere"):
        load_vocabulary(tmp_path / "nowhere.txt")
    (tmp_path / "latin.txt").write_bytes("[PAD]\né\n".encode("latin-1"))
    with pytest.raises(DataError, match="not valid UTF-8"):
        load_vocabulary(tmp_path / "latin.txt")

"""`electra prepare-data` with tokenizers that the library applies."""

from __future__ import annotations

import json

import pytest

from tests.given_tokenizers import given_tokenizer


def test_a_tokenizer_of_another_kind(prepare, tmp_path, text):
    path = given_tokenizer("bytes", tmp_path / "t")
    done = prepare(text, "--vocab", path, "--sequence-length", 32)
    assert done.code == 0
    assert f"{path} is a BPE tokenizer of 330 tokens" in done.stderr
    kind = [done.json[key] for key in ("vocab_kind", "vocab_size", "lowercase", "strip_accents")]
    assert kind == ["bpe", 330, None, None]
    assert "330, BPE" in done.stderr
    assert "as tokenizer.json says" in done.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--vocab", "{t}", "--lowercase"], 2, "--lowercase cannot be: the normalizer of"),
        (["--vocab", "{t}", "--no-strip-accents"], 2, "--no-strip-accents cannot be"),
        (["--vocab", "{t}", "--vocab-kind", "bpe"], 2, "--vocab and --vocab-kind exclude"),
        (["--vocab", "{t}", "--vocab-kind", "wordpiece"], 2, "--vocab and --vocab-kind exclude"),
        (["--vocab-kind", "words"], 2, "there is no 'words' hint: --vocab-kind NAME: choose"),
        (["--vocab", "{gpt}"], 65, "lacks special tokens that pretraining needs: pad, as"),
        (["--vocab", "{level}"], 65, "holds a WordLevel tokenizer"),
    ],
    ids=lambda value: value[1] if isinstance(value, list) else "",
)
def test_tokenizers_that_cannot_be(prepare, tmp_path, text, options, code, message):
    """Nothing is written then."""
    paths = {"t": given_tokenizer("unigram", tmp_path / "t")}
    for name, model in (
        ("gpt", {"type": "BPE", "vocab": {"<|endoftext|>": 0, "a": 1}, "merges": []}),
        ("level", {"type": "WordLevel", "vocab": {"a": 0}}),
    ):
        paths[name] = tmp_path / name / "tokenizer.json"
        paths[name].parent.mkdir()
        paths[name].write_text(json.dumps({"model": model}))
    done = prepare(text, *(option.format(**paths) for option in options))
    assert done.code == code
    assert message in " ".join(done.stderr.split())
    assert not (tmp_path / "out").exists()


def test_one_of_another_kind_is_trained(prepare, tmp_path, text):
    done = prepare(text, "--vocab-kind", "unigram", "--vocab-size", 150, "--lowercase")
    assert done.code == 0
    assert (done.json["vocab_kind"], done.json["lowercase"]) == ("unigram", None)
    content = (tmp_path / "out" / "tokenizer.json").read_text()
    assert '"Lowercase"' in content
    assert "StripAccents" not in content
    again = prepare(text, "--vocab-kind", "bpe", "--vocab-size", 150)
    assert again.code == 73
    assert "--vocab-kind was unigram and is now bpe" in again.stderr

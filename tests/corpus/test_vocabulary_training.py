from __future__ import annotations

import hashlib
import subprocess
import sys

from electra_cli.corpus.vocabulary_training import train_vocabulary
from tests.corpus.corpora import make_documents

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]

SCRIPT = """
import hashlib
from electra_cli.corpus.vocabulary_training import train_vocabulary
from tests.corpus.corpora import make_documents
tokens = train_vocabulary(make_documents(60), 300, lowercase=True, strip_accents=True)
print(hashlib.sha256("\\n".join(tokens).encode()).hexdigest())
"""


def train(texts, size=300, *, lowercase=True, strip_accents=True):
    return train_vocabulary(texts, size, lowercase=lowercase, strip_accents=strip_accents)


def test_special_tokens_first_then_characters_then_pieces():
    tokens = train(make_documents(60))
    assert tokens[:5] == SPECIAL
    assert len(tokens) == len(set(tokens)) <= 300
    assert {"mountain", "language"} <= set(tokens)
    kinds = [len(token.removeprefix("##")) > 1 for token in tokens[5:]]
    assert kinds == sorted(kinds)


def test_same_text_gives_the_same_vocabulary_in_any_process():
    tokens = train(make_documents(60))
    digest = hashlib.sha256("\n".join(tokens).encode()).hexdigest()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            capture_output=True,
            text=True,
            check=True,
            env={"PYTHONPATH": ":".join(path for path in sys.path if path), "PYTHONHASHSEED": seed},
        )
        assert done.stdout.strip() == digest


def test_text_is_normalised_as_it_will_be_tokenized():
    texts = ["Éclair ÉCLAIR éclair eclair Eclair"] * 3
    assert "eclair" in train(texts)
    assert "éclair" in train(texts, strip_accents=False)
    assert "Eclair" in train(texts, lowercase=False)
    assert "ÉCLAIR" in train(texts, lowercase=False, strip_accents=False)


def test_size_is_kept_when_there_are_many_characters():
    rare = "".join(chr(0x4E00 + number) for number in range(500))
    tokens = train([rare, *(["the same words again"] * 50)], size=100)
    assert len(tokens) <= 100
    assert {"the", "same", "words", "again"} <= set(tokens)
    characters = [token for token in tokens[5:] if len(token.removeprefix("##")) == 1]
    assert len(characters) <= 47


def test_no_text_gives_the_special_tokens_alone():
    assert train([" ", "\t"]) == SPECIAL

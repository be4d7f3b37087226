"""The tokenizer in the files that Hugging Face's AutoTokenizer reads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer
from tokenizers.processors import TemplateProcessing

from electra_cli.corpus.tokenizer import build_tokenizer
from electra_cli.corpus.vocabulary import CLS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK
from electra_cli.export.source import Source


def write_tokenizer(source: Source, folder: Path) -> list[str]:
    """Writes vocab.txt, tokenizer.json and tokenizer_config.json; returns their names.

    Nothing is written for weights that came without a vocabulary.
    """
    if source.vocab is None:
        return []
    shutil.copyfile(source.vocab, folder / "vocab.txt")
    text = _tokenizer(source, source.vocab).to_str(pretty=True)
    (folder / "tokenizer.json").write_text(text + "\n", encoding="utf-8")
    text = json.dumps(_tokenizer_config(source), indent=2)
    (folder / "tokenizer_config.json").write_text(text + "\n", encoding="utf-8")
    return ["tokenizer.json", "tokenizer_config.json", "vocab.txt"]


def _tokenizer(source: Source, vocab: Path) -> Tokenizer:
    """The tokenizer the data was prepared with, as fine-tuning wants it.

    It adds [CLS] and [SEP], and a literal special token in text is that token: masks are filled
    by writing [MASK].
    """
    options, ids = source.tokenizer, source.special_ids
    tokenizer = build_tokenizer(
        vocab, lowercase=options.lowercase, strip_accents=options.strip_accents
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(CLS, ids.cls), (SEP, ids.sep)],
    )
    return tokenizer


def _tokenizer_config(source: Source) -> dict[str, Any]:
    options = source.tokenizer
    return {
        # The library's tokenizer for this model type is rebuilt from vocab.txt and gives up on
        # words over 100 characters; this class takes tokenizer.json as it is.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "do_lower_case": options.lowercase,
        "strip_accents": options.strip_accents,
        "model_max_length": source.config.model.max_position_embeddings,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "pad_token": PAD,
        "unk_token": UNK,
        "cls_token": CLS,
        "sep_token": SEP,
        "mask_token": MASK,
    }

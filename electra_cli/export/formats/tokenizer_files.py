"""The tokenizer in the files that Hugging Face's AutoTokenizer reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.tokenizer import MAX_CHARACTERS_PER_WORD
from electra_cli.corpus.wordpiece.vocabulary import (
    CLS,
    CONTINUATION,
    MASK,
    PAD,
    SEP,
    SPECIAL_TOKENS,
    UNK,
    load_vocabulary,
)
from electra_cli.corpus.wordpiece.vocabulary_folder import TOKENIZER_CONFIG_FILE, TOKENIZER_FILE
from electra_cli.export.formats import character_classes
from electra_cli.export.formats.given_tokenizer import write_given
from electra_cli.files.layout import VOCABULARY_FILE
from electra_cli.sources.exportable import Exportable


def write_tokenizer(item: Exportable, folder: Path) -> None:
    """Writes tokenizer.json and tokenizer_config.json, of word pieces vocab.txt too.

    Nothing is written without a vocabulary, and a tokenizer.json that was given stays as it is.
    """
    if (tokenizer := item.text_ids) is None:
        return
    if item.tokenizer is None:
        write_given(tokenizer, folder, max_length=item.max_length)
        return
    (folder / VOCABULARY_FILE).write_bytes(tokenizer.content)
    text = _tokenizer(item, folder / VOCABULARY_FILE, item.tokenizer).to_str(pretty=True)
    (folder / TOKENIZER_FILE).write_text(text + "\n", encoding="utf-8")
    text = json.dumps(_tokenizer_config(item, item.tokenizer), indent=2)
    (folder / TOKENIZER_CONFIG_FILE).write_text(text + "\n", encoding="utf-8")


def build_tokenizer(vocab: Path, options: TokenizerOptions) -> Tokenizer:
    """The library's tokenizer that gives the ids of corpus/wordpiece/tokenizer.py.

    The library has BERT's rules in one piece, but with a table of characters of its own.

    Args:
      vocab: A vocabulary that `load_vocabulary` accepts.
      options: Whether to lower-case and to strip accents.
    """
    tokenizer = Tokenizer(
        models.WordPiece(
            {token: index for index, token in enumerate(load_vocabulary(vocab))},
            unk_token=UNK,
            max_input_chars_per_word=MAX_CHARACTERS_PER_WORD,
            continuing_subword_prefix=CONTINUATION,
        )
    )
    tokenizer.normalizer = _normalizer(options)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(Regex(character_classes.pieces()), "isolated"),
        ]
    )
    return tokenizer


def _normalizer(options: TokenizerOptions) -> normalizers.Normalizer:
    steps = [_replace(character_classes.removed(), "")]
    if options.lowercase:
        cased, ignored = character_classes.final_sigma()
        # The bound keeps long words without any such letter fast.
        before, behind = f"(?<={cased}{ignored}{{0,200}}Σ)", f"(?!{ignored}*{cased})"
        steps += [_replace(f"Σ{before}{behind}", "ς"), normalizers.Lowercase()]
    if options.strip_accents:
        decomposed = normalizers.NFD().normalize_str
        steps += [
            normalizers.Replace(character, parts)
            for character, parts in character_classes.decompositions().items()
            if decomposed(character) != parts  # by an older table
        ]
        steps += [normalizers.NFD(), _replace(character_classes.accents(), "")]
    return normalizers.Sequence(steps)


def _replace(pattern: str, content: str) -> normalizers.Normalizer:
    return normalizers.Replace(Regex(pattern), content)


def _tokenizer(item: Exportable, vocab: Path, options: TokenizerOptions) -> Tokenizer:
    """The tokenizer the data was prepared with, as fine-tuning wants it.

    It adds [CLS] and [SEP], and a literal special token in text is that token: masks are filled
    by writing [MASK].
    """
    ids = item.special_ids
    tokenizer = build_tokenizer(vocab, options)
    tokenizer.add_special_tokens([AddedToken(token, special=True) for token in SPECIAL_TOKENS])
    tokenizer.post_processor = TemplateProcessing(
        single=f"{CLS} $A {SEP}",
        pair=f"{CLS} $A {SEP} $B:1 {SEP}:1",
        special_tokens=[(CLS, ids.cls), (SEP, ids.sep)],
    )
    return tokenizer


def _tokenizer_config(item: Exportable, options: TokenizerOptions) -> dict[str, Any]:
    return {
        # The library's tokenizer for this model type is rebuilt from vocab.txt, by its own table of
        # characters and to words of 100 of them; this class takes tokenizer.json as it is.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "do_lower_case": options.lowercase,
        "strip_accents": options.strip_accents,
        "model_max_length": item.max_length,
        "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
        "clean_up_tokenization_spaces": False,
        "pad_token": PAD,
        "unk_token": UNK,
        "cls_token": CLS,
        "sep_token": SEP,
        "mask_token": MASK,
    }

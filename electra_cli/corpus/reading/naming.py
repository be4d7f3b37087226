"""What the name of a file says, and which files are read that nobody named."""

from __future__ import annotations

import re
from typing import Literal

# What --format can force, and what else a file may turn out to be.
FormatOption = Literal["auto", "txt", "md", "jsonl", "csv", "tsv", "parquet", "arrow"]
Format = Literal[
    "txt", "md", "jsonl", "csv", "tsv", "parquet", "arrow", "doc", "warc", "tar", "zip"
]

ENDINGS: dict[str, Format] = {
    ".txt": "txt",
    ".md": "md",
    ".jsonl": "jsonl",
    ".csv": "csv",
    ".tsv": "tsv",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".tar": "tar",
    **dict.fromkeys((".tgz", ".tbz", ".tbz2", ".txz", ".tzst"), "tar"),
    ".zip": "zip",
}
COMPRESSED_ENDINGS = (".gz", ".gzip", ".zst", ".zstd", ".xz", ".bz2")
JSON_ENDINGS = (".json", ".ndjson", ".jsonlines")
WITHOUT_ENDING = "no ending"
COMPANION = "companion"

# How a file that is met in a folder or an archive is taken: for what its name says, for what its
# content says, or not at all.
Taken = Literal["by name", "by content", "not"]

# Of corpora, but of other things too.
VAGUE_ENDINGS = (WITHOUT_ENDING, *JSON_ENDINGS, ".text", ".raw", ".tokens", ".warc", ".wet")
_NUMBERED_ENDINGS = (*VAGUE_ENDINGS, ".txt", ".jsonl")
_ENDING = re.compile(r"\.(?=[^.]*[^\W\d_])[\w~+-]{1,12}\Z")
# x-00001, x.00001-of-01024: what is cut into many files.
_NUMBER = re.compile(r"[._-]\d+(?:-of-\d+)?\Z")
# What stands beside texts and is none of them.
_COMPANION = re.compile(
    r"licen[cs]e.*|copying.*|notice|readme|changelog|authors|contributors|citation|makefile"
    r"|dockerfile|(?:md5|sha\d+|check)sums?|_(?:success|committed|started|metadata|common_metadata).*"
    r"|(?:dataset_(?:infos?|dict)|state|trainer_state|(?:.*[._-])?config|tokenizer|vocab"
    r"|special_tokens_map|added_tokens|(?:.*[._-])?index|package(?:-lock)?|manifest|schema|stats)"
    r"\.json"
)


def ending_format(name: str) -> Format | None:
    """The format that a name's ending stands for, seen through one ending of compression."""
    return ENDINGS.get(_ending(_stem(name)))


def is_json(name: str) -> bool:
    """Whether a name's ending is one of JSON, in lines or not."""
    return _ending(_stem(name)) in JSON_ENDINGS


def kind_of(name: str) -> str:
    """What a file that is not read is counted as: its ending, without compression and number.

    What stands beside texts under a name that says so is a companion.
    """
    if _COMPANION.fullmatch(_stem(name)):
        return COMPANION
    return _ending(_NUMBER.sub("", _stem(name)))


def is_hidden(name: str) -> bool:
    """Whether a file is hidden by its name; folders are not looked at."""
    return name.rsplit("/", 1)[-1].startswith(".")


def taken(name: str, option: FormatOption) -> Taken:
    """How a file is taken that nobody named.

    Hidden files never are, among them those that macOS puts beside every file of an archive.

    Args:
      name: With the folders within the input or archive that it is in.
      option: The format that was asked for, which all files then have.
    """
    if is_hidden(name):
        return "not"
    if option != "auto" or ending_format(name):
        return "by name"
    stem = _stem(name)
    unnumbered = _NUMBER.sub("", stem)
    endings = VAGUE_ENDINGS if unnumbered == stem else _NUMBERED_ENDINGS
    in_hidden_folder = any(part[:1] == "." and part != "." for part in name.split("/")[:-1])
    if _ending(unnumbered) not in endings or _COMPANION.fullmatch(stem) or in_hidden_folder:
        return "not"
    return "by content"


def _stem(name: str) -> str:
    name = name.rsplit("/", 1)[-1].lower()
    for ending in COMPRESSED_ENDINGS:
        name = name.removesuffix(ending)
    return name


def _ending(stem: str) -> str:
    found = _ENDING.search(stem)
    return found[0] if found else WITHOUT_ENDING

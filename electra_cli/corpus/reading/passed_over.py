"""What is met beside the text and not read: counted by kind, and told with what to type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from electra_cli.corpus.reading.containers.kinds import cure_of
from electra_cli.corpus.reading.faults import UnreadableError
from electra_cli.corpus.reading.naming import COMPANION, ENDINGS, VAGUE_ENDINGS, WITHOUT_ENDING
from electra_cli.corpus.shards.counts import add_kinds

# Kinds that are no ending.
LINK = "link"
LINK_TO_FOLDER = "link to a folder"
NO_FILE = "no regular file"

_CURES = {
    COMPANION: "leave it out: it tells of the texts; name it if it is one",
    LINK: "leave it out: what it points to is read where it is",
    LINK_TO_FOLDER: "give the folder that it points to as an input",
    NO_FILE: "leave it out, or pipe it in as -",
    **dict.fromkeys(
        VAGUE_ENDINGS,
        "`electra prepare-data FILE --output DIR` says of one what it is, or reads it",
    ),
}

_MOST_SHOWN = 5


@dataclass
class PassedOver:
    """Files in folders and archives that are not read: their name or content says they are no text.

    Attributes:
      kinds: How many of each kind; a kind is an ending or a reason.
      bytes: Of all of them together, as they lie there.
    """

    kinds: dict[str, int] = field(default_factory=dict)
    bytes: int = 0

    @property
    def count(self) -> int:
        """How many they are."""
        return sum(self.kinds.values())

    def add(self, kind: str, size: int) -> None:
        """Counts one."""
        add_kinds(self.kinds, {kind: 1})
        self.bytes += size


def describe_kinds(kinds: Mapping[str, int]) -> str:
    """The most frequent kinds in words, and how many files are of others."""
    ranked = _ranked(kinds)
    parts = [
        f"{count:,} {'without an ending' if kind == WITHOUT_ENDING else kind}"
        for kind, count in ranked[:_MOST_SHOWN]
    ]
    if rest := sum(count for _, count in ranked[_MOST_SHOWN:]):
        parts.append(f"{rest:,} more")
    return ", ".join(parts)


def cures(kinds: Mapping[str, int], *, otherwise: str) -> str:
    """What to do with the most frequent kinds.

    Args:
      kinds: Counts by kind.
      otherwise: What to do with those that nothing is known of; their ending stands for KIND.
    """
    found: dict[str, list[str]] = {}
    for kind, _ in _ranked(kinds)[:_MOST_SHOWN]:
        cure = cure_of(kind) or _CURES.get(kind) or otherwise.replace("KIND", kind)
        found.setdefault(cure, []).append(kind)
    return "; ".join(f"{', '.join(of)}: {cure}" for cure, of in found.items())


def no_text(where: str, kinds: Mapping[str, int], *, otherwise: str) -> UnreadableError:
    """The error for a folder or archive that holds nothing to read.

    Args:
      where: The folder or archive.
      kinds: What it holds instead.
      otherwise: See `cures`.
    """
    if not kinds:
        return UnreadableError(
            f"no text in {where}: it is empty, hidden files apart",
            hint=f"give a folder with files that end with {', '.join(ENDINGS)}, also compressed, "
            "or say with --format what all files are",
        )
    return UnreadableError(
        f"no text in {where}: it holds {describe_kinds(kinds)}",
        hint=cures(kinds, otherwise=otherwise),
    )


def _ranked(kinds: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(kinds.items(), key=lambda item: (-item[1], item[0]))

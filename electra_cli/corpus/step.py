"""A piece of work that any process may do: what every parallel pass over a corpus is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Step:
    """Writes one result, the same bytes wherever and however often it is done.

    Attributes:
      name: What errors call it, such as `slice 12` or `documents, range 3 of 8`.
      result: The file that is written last, and not unless all of it is there.
      work: Does it; a function of a module or a partial of one, so that it can be pickled. If the
        step reads a slice, it takes a `Report` by the name `report`.
      is_whole: Whether a result that is there is all that it should be, of this version; can be
        pickled too. None where its name says enough.
    """

    name: str
    result: Path
    work: Callable[..., None]
    is_whole: Callable[[], bool] | None = None

    @property
    def is_done(self) -> bool:
        """Whether its result is there, and whole."""
        return self.result.is_file() and (self.is_whole is None or self.is_whole())


def names_in(folder: Path) -> set[str]:
    """The names in a folder: one look for any number of results; none if it is not there."""
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()

"""RUN/held-out.json: a few held-out rows, and what the newest evaluation made of each token.

It is {"format_version", "step", "sentences": [{"row", "tokens": [{"text", "masked", "sampled",
"suspicion"}]}]}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from electra_cli.config.values import first_fault
from electra_cli.errors import DataError
from electra_cli.files.atomic import atomic_write_text
from electra_cli.files.record import read_json

_FORMAT_VERSION = 1

Count = Annotated[int, Field(ge=0, le=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Token:
    """A token of a row.

    Attributes:
      text: The word piece that the text has here.
      masked: Whether the network that fills masks had to guess it.
      sampled: The word piece that was put there, which may be the same; where nothing is sampled,
        the most likely guess. None of a token that was not masked.
      suspicion: The probability by the discriminator that the token was replaced; None without a
        discriminator, or if it is no number.
    """

    text: str
    masked: bool
    sampled: str | None
    suspicion: Share | None


@dataclass(frozen=True)
class Sentence:
    """A held-out row without its padding.

    Attributes:
      row: Its number among the held-out rows, from 0.
      tokens: Its tokens, [CLS] and [SEP] included.
    """

    row: Count
    tokens: Sequence[Token]


@dataclass(frozen=True)
class HeldOut:
    """What the file says.

    Attributes:
      step: The number of updates that the networks had seen.
      sentences: Rows spread over the held-out ones, by ascending number.
    """

    step: Count
    sentences: Sequence[Sentence]


def write_held_out(path: Path, held_out: HeldOut) -> None:
    """Writes the file in the place of a former one.

    Raises:
      OSError: It cannot be written; the former one stays.
    """
    content = {"format_version": _FORMAT_VERSION, **asdict(held_out)}
    atomic_write_text(path, json.dumps(content) + "\n")


def read_held_out(path: Path) -> HeldOut | None:
    """Reads the file; None if there is none, as of a run by an older electra.

    Raises:
      InputMissingError: It cannot be opened.
      DataError: It is damaged, or a newer electra wrote it.
    """
    if not path.is_file():
        return None
    hint = f"delete {path}: it only shows examples, and the next evaluation of the run writes it"
    content = read_json(path, hint=hint)
    if content.get("format_version") != _FORMAT_VERSION:
        raise DataError(
            f"{path} has format version {content.get('format_version')}; this electra reads "
            f"{_FORMAT_VERSION}",
            hint=f"install a newer electra, or {hint}",
        )
    try:
        return TypeAdapter(HeldOut).validate_python(content)
    except ValidationError as error:
        raise DataError(f"{path} is damaged: {first_fault(error)}", hint=hint) from error

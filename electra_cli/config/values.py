"""Values as users write them: types in words, what is wrong with one, what to write instead."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from electra_cli.config import yaml_core
from electra_cli.config.nearest import nearest
from electra_cli.errors import ConfigError, counted

_WORDS = {int: "an integer", float: "a number", str: "text", bool: "true or false"}
_BOUNDS = (
    (Ge, "ge", "at least"),
    (Gt, "gt", "above"),
    (Le, "le", "at most"),
    (Lt, "lt", "below"),
)
_THOUSANDS = re.compile(r"(?<=\d)[,_](?=\d{3}(?!\d))")
_SUFFIXES = {"k": "e3", "m": "e6"}
_YES, _NO = ("yes", "on", "true", "1"), ("no", "off", "false", "0")
_NOTHING = ("", "0", "-1", "none", "never", "off", "no", "false")

# What pydantic says at the end of some messages, and nobody has to know.
_ASIDES = re.compile(r",? (?:unable to|or instance of|got a number with) .*")


def expected(field: FieldInfo) -> str:
    """Says what a key takes, for example "an integer, at least 1"."""
    kind = field.annotation
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    kinds = [part for part in get_args(kind) or (kind,) if part is not NoneType]
    words = " or ".join(_WORDS[part] for part in kinds)
    if NoneType in get_args(kind):
        words += " or null"
    for bound in field.metadata:
        for marker, attribute, phrase in _BOUNDS:
            if isinstance(bound, marker):
                words += f", {phrase} {getattr(bound, attribute)}"
    return words


def shown(value: Any) -> str:
    """Shows a value with its type where it could be mistaken: the text "8" is not 8."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'the text "{_short(value)}"'
    return _short(str(value)) if isinstance(value, int | float) else _short(f"{value!r}")


def instead(field: FieldInfo, value: Any) -> str:
    """What to write instead of a wrong value: what was probably meant, else the default."""
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    for candidate in _candidates(field, value):
        if isinstance(candidate, float) and not math.isfinite(candidate):
            continue
        with contextlib.suppress(ValidationError):
            adapter.validate_python(candidate, strict=True)
            return written(candidate)
    return written(field.default)


def _candidates(field: FieldInfo, value: Any) -> Iterator[Any]:
    """What a wrong value may stand for, the most likely first; most of them are wrong too."""
    word = str(value).strip().lower()
    choices = get_args(field.annotation)
    if near := nearest(word, [choice for choice in choices if isinstance(choice, str)]):
        yield near
    if word in _YES + _NO:
        yield word in _YES
    if word in _NOTHING and field.default is None:
        yield None
    number = number_in(word)
    yield number
    for bound in field.metadata:
        limit: Any = getattr(bound, "ge", getattr(bound, "le", None))
        if isinstance(number, int | float) and limit is not None:
            yield max(number, limit) if isinstance(bound, Ge) else min(number, limit)
    if value is not None:
        yield str(value)
    yield field.default


def number_in(text: str) -> Any:
    """The number of a text such as 10k, 1e6, 1_000 or 1,000, an integer if it is whole.

    Returns:
      Whatever YAML makes of other texts.
    """
    plain = _THOUSANDS.sub("", text.strip().lower())
    with contextlib.suppress(ValueError):
        number = yaml_core.parse_plain(plain[:-1] + _SUFFIXES.get(plain[-1:], plain[-1:]))
        return int(number) if isinstance(number, float) and number.is_integer() else number
    return None


def first_fault(error: ValidationError) -> str:
    """Says what is wrong with a record: where, and what was expected there."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"])) or "the whole"
    return f"{where}: {in_words(first)}"


def in_words(error: Mapping[str, Any]) -> str:
    """Says in plain words what one of pydantic's errors says.

    Args:
      error: One of `ValidationError.errors()`.

    Returns:
      For example: expected a valid integer, got the text "many".
    """
    kind = error["type"]
    if kind == "missing":
        return "it is missing"
    if kind == "extra_forbidden":
        return "there is no such key"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    wanted = _ASIDES.sub("", error["msg"]).removeprefix("Input should be ")
    wanted = wanted.replace("greater than or equal to", "at least")
    wanted = wanted.replace("less than or equal to", "at most")
    return f"expected {wanted}, got {shown(error['input'])}"


def written(value: Any) -> str:
    """A value as `--set` and YAML take it, in quotes where it would be read as another type."""
    if isinstance(value, str) and yaml_core.parse_scalar(value) != value:
        return f"'{value}'"
    return shown(value) if value is None or isinstance(value, bool) else str(value)


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


_UNITS = ("kB", "MB", "GB", "TB", "PB", "EB")
_LARGEST = 10**20  # bytes, a hundred EB: more is a slip
_SIZE = re.compile(r"([\d.]+(?:e\+?\d+)?)\s*([kmgtpe]?)(i?)(?:b|bytes?)?", re.IGNORECASE)


def bytes_in(text: str, origin: str) -> int:
    """The bytes of a size such as 50MB, 2.5 GB, 1e9, 10GiB or 1,000,000.

    Args:
      text: As it was written.
      origin: The option it was given with.

    Raises:
      ConfigError: It is none, or beyond all that there is.
    """
    plain = _THOUSANDS.sub("", text.strip())
    match = _SIZE.fullmatch(plain)
    with contextlib.suppress(ValueError, OverflowError):
        if match and (match[2] or not match[3]):
            power = " kmgtpe".index(match[2].lower() or " ")
            size = int(float(match[1]) * (1024 if match[3] else 1000) ** power)
            if size > _LARGEST:
                raise ConfigError(
                    f"{origin} {text}: too much to be meant", hint="sizes have units: 50MB, 2.5GB"
                )
            if size:
                return size
    meant = re.match(r"-?(\d{1,6}(?:\.\d+)?)\s*([kmgt]?)", plain.replace(",", "."), re.IGNORECASE)
    number, unit = (meant[1], meant[2]) if meant and float(meant[1]) >= 0.01 else ("50", "")
    raise ConfigError(
        f"{origin}: expected a size such as 50MB or 2.5GiB, got {shown(text)}",
        hint=f"write {origin} {number}{unit.upper() or 'M'}B",
    )


def size_in_words(size: float) -> str:
    """Bytes as people write them: 50 MB, 2.5 GB, 1 byte."""
    if size < 999.5:
        return counted(round(size), "byte")
    power = next((power for power in range(1, 6) if size < 999.5 * 1000**power), 6)
    return f"{size / 1000**power:.3g} {_UNITS[power - 1]}"

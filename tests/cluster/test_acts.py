"""What workers do together succeeds at all of them, or fails at all with one error."""

from __future__ import annotations

import pytest

from electra_cli.cluster.acts import ALONE, by_all, by_chief
from electra_cli.errors import ConfigError, DataError, ElectraError, IOFailedError
from tests.cluster.together import Together, at_each


class OwnError(IOFailedError):
    """One that others do not know."""


def told(found: list[object]) -> list[tuple[type, int, str, str]]:
    assert all(isinstance(error, ElectraError) for error in found), found
    return [(type(e), e.exit_code, e.message, e.hint) for e in found]  # type: ignore[attr-defined]


def test_what_the_chief_finds_is_found_by_all() -> None:
    asked: list[int] = []

    def find(worker: Together) -> object:
        return by_chief(worker, "find", lambda: asked.append(worker.index) or {"step": 4})

    assert at_each(3, find) == [{"step": 4}] * 3
    assert asked == [0]
    assert by_chief(ALONE, "find", lambda: (1, 2)) == (1, 2)


def test_what_fails_at_the_chief_fails_at_all() -> None:
    def fail() -> None:
        raise OwnError("no room", hint="make some")

    found = at_each(3, lambda worker: by_chief(worker, "save", fail))
    assert told(found) == [
        (OwnError, 74, "no room", "make some"),
        (IOFailedError, 74, "worker 0 (a:1): no room", "make some"),
        (IOFailedError, 74, "worker 0 (a:1): no room", "make some"),
    ]
    with pytest.raises(OwnError):
        by_chief(ALONE, "save", fail)


def test_what_fails_at_one_fails_at_all() -> None:
    def look(worker: Together) -> object:
        def act() -> object:
            if worker.index == 1:
                raise DataError("damaged", hint="copy it")
            if worker.index == 2:
                raise ConfigError("wrong")
            return object()

        return by_all(worker, "look", act)

    assert told(at_each(3, look)) == [
        (DataError, 65, "worker 1 (b:1): damaged", "copy it"),
        (DataError, 65, "damaged", "copy it"),
        (ConfigError, 2, "wrong", ""),
    ]
    assert at_each(3, lambda worker: by_all(worker, "look", lambda: worker.index)) == [0, 1, 2]

"""Groups whose commands are imported when they are used: the help of a group needs none of them."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from typer.core import TyperGroup


class _Commands(UserDict[str, Any]):
    """Commands by their names; where a `partial` stands, it makes one when it is asked for."""

    def __getitem__(self, name: str) -> Any:
        if isinstance(self.data[name], partial):
            self.data[name] = self.data[name]()
        return self.data[name]


def group_of(lines: Mapping[str, str], make: Callable[[str], Any]) -> type[TyperGroup]:
    """A kind of group, for `typer.Typer(cls=…)`.

    Args:
      lines: What the group's help says of each command; groups within it are added by Typer.
      make: Returns Typer's command of a name of `lines`.
    """

    class Group(TyperGroup):
        def __init__(self, *, commands: dict[str, Any], **attributes: Any) -> None:
            super().__init__(**attributes)
            self.commands = _Commands({name: partial(make, name) for name in lines} | commands)
            self._lines = {**lines, **{name: group.help for name, group in commands.items()}}

        def list_commands(self, ctx: Any) -> list[str]:
            del ctx
            return list(self._lines)

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            del ctx
            with formatter.section("Commands"):
                formatter.write_dl(list(self._lines.items()))

    return Group

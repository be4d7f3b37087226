"""How `--help` looks: plain text that fits any width, and in which nothing to type is cut."""

from __future__ import annotations

import inspect
import re
from typing import Any

from typer.core import TyperCommand

_LIST = re.compile(r"<list\[(\w+)\]>")


class Command(TyperCommand):
    """A command whose options stand under the headings of their panels; its epilog is examples."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """What one has to type, and that there are options."""
        arguments = [p for p in self.get_params(ctx) if p.param_type_name == "argument"]
        required = [
            f"{p.opts[0]} {_typed(p, ctx)}"
            for p in self.get_params(ctx)
            if p.param_type_name == "option" and p.required
        ]
        return [*(_typed(argument, ctx) for argument in arguments), *required, "[OPTIONS]"]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments and options by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            names, text = record
            is_argument = parameter.param_type_name == "argument"
            if is_argument:
                names = _typed(parameter, ctx)
            panel = getattr(parameter, "rich_help_panel", None)
            name = panel or ("Arguments" if is_argument else "Options")
            panels.setdefault(name, []).append((_LIST.sub(r"<\1>", names), text))
        for name, records in panels.items():
            with formatter.section(name):
                formatter.write_dl(records)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Writes the examples, each as it is typed."""
        del ctx
        if self.epilog:
            with formatter.section("Examples"):
                for line in inspect.cleandoc(self.epilog).splitlines():
                    formatter.write(f"{'':>{formatter.current_indent}}{line}\n")


def _typed(parameter: Any, ctx: Any) -> str:
    """What stands for a value."""
    if parameter.metavar:
        return str(parameter.metavar)
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    return _LIST.sub(r"<\1>", str(parameter.display_type_rich(ctx=ctx)))

"""How commands are used: what `--help` shows, and what was wrong with a command line.

Typer's errors are asked by their attributes alone, since it brings its own copy of click.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from typer.core import TyperCommand

from electra_cli.config.nearest import did_you_mean, nearest

# Options that there were, and what to type now.
_FORMER = {
    "--plan-only": "type --stage vocabulary, and before it --stage scan if duplicates are to go",
    "--finalize": "type --stage finalize",
    "--beam-arg": "type --engine-arg KEY=VALUE, such as --engine-arg runner=FlinkRunner",
}


def explain(error: Any) -> tuple[str, str]:
    """Says what is wrong, and what to type.

    Args:
      error: An error of Typer's, which has `format_message`.

    Returns:
      Message and hint.
    """
    message = " ".join(error.format_message().split())
    context, parameter = getattr(error, "ctx", None), getattr(error, "param", None)
    option, kind = getattr(error, "option_name", None), type(error).__name__
    if kind == "BadOptionUsage":
        return message, f"write {option}{' VALUE' if 'requires' in message else ''}"
    if context is None:
        return message, ""
    see = f"see `{context.command_path} --help`"
    wrong = getattr(error.__cause__, "errors", None)  # of pydantic
    if wrong is not None and parameter is not None:
        return _wrong_value(parameter, wrong()[0], see)
    if option is not None:
        instead = _FORMER.get(option) or _instead_of(option, context)
        return error.message, instead or see
    if kind == "MissingParameter":
        return f"missing: {' '.join(_usage(parameter))}", f"`{_whole(context)}`; {see}"
    if unknown := re.match(r"No such command '(.*?)'", message):
        return unknown[0], _command_for(unknown[1], context, see)
    return message, see


def _wrong_value(parameter: Any, wrong: Any, see: str) -> tuple[str, str]:
    from electra_cli.config.values import in_words, number_in

    name, value, choices = _name(parameter), wrong["input"], _choices(parameter)
    if choices:
        form = f"{name} {{}}" if _is_option(parameter) else "{}"
        return f"{name}: there is no {value!r}", did_you_mean(str(value), choices, form=form)
    words = in_words(wrong).replace("the text ", "")  # everything is text on a command line
    bounds = wrong.get("ctx", {})
    meant = bounds.get("ge", bounds.get("le"))
    if wrong["type"] in ("int_parsing", "float_parsing"):
        meant = number_in(str(value).replace(",", "."))
        if wrong["type"] == "int_parsing" and isinstance(meant, float):
            meant = round(meant)
    return f"{name}: {words}", f"write {name} {meant}" if isinstance(meant, int | float) else see


def _instead_of(option: str, context: Any) -> str:
    """The option, or the key of the configuration, that an unknown option stands for."""
    from electra_cli.config.keys import key_named

    word = option.lstrip("-")
    names = [name[2:] for parameter in context.command.params for name in parameter.opts]
    key = key_named(word.replace("-", "_"))
    if key is not None and "set" in names and word.replace("_", "-") not in names:
        return f"did you mean --set {key}=VALUE?"
    near = nearest(word, filter(None, names))
    return f"did you mean --{near}?" if near else ""


def _command_for(word: str, context: Any, see: str) -> str:
    """The command that a word most likely stands for, be it of another group, or all of this one.

    Args:
      word: What is no command here.
      context: Of the group in which it was looked for.
      see: Where there is more about this group.
    """
    here = context.command.commands
    if not nearest(word, here):
        root = context.find_root()
        paths = _paths(root.command_path, root.command)
        near = nearest(word, paths)
        if near is not None:
            return f"did you mean {paths[near]}? {see}"
    hint = did_you_mean(word, here, form=f"{context.command_path} {{}}")
    return f"{hint}{'' if hint.endswith('?') else ';'} {see}"


def _paths(path: str, command: Any) -> dict[str, str]:
    """What to type for each command at any depth, by its last word."""
    groups = getattr(command, "commands", {})
    below = [_paths(f"{path} {name}", group) for name, group in groups.items()]
    own = {name: f"{path} {name}" for name in groups}
    return {name: found for paths in below for name, found in paths.items()} | own


def _whole(context: Any) -> str:
    """The shortest command that is whole: all that must be given, in the words of the help."""
    needed = [part for part in context.command.params if part.required]
    return " ".join([context.command_path, *(word for part in needed for word in _usage(part))])


def _usage(parameter: Any) -> Iterator[str]:
    if _is_option(parameter):
        yield _name(parameter)
    yield "|".join(_choices(parameter)) or parameter.metavar or parameter.name.upper()


def _name(parameter: Any) -> str:
    """An option, or an argument in the words of the help."""
    if _is_option(parameter):
        return max(parameter.opts, key=len)
    return parameter.metavar or parameter.name.upper()


def _is_option(parameter: Any) -> bool:
    return parameter.param_type_name == "option"


def _choices(parameter: Any) -> list[str]:
    descriptor = getattr(parameter, "type_descriptor", None)
    return [str(choice) for choice in getattr(descriptor, "choices", None) or ()]


_LIST = re.compile(r"<list\[(\w+)\]>")


class Command(TyperCommand):
    """A command whose options stand under the headings of their panels; its epilog is examples."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns what one has to type, and that there are options."""
        typed = {p: _typed(p, ctx) for p in self.get_params(ctx)}
        arguments = [text for p, text in typed.items() if not _is_option(p)]
        required = [
            f"{p.opts[0]} {text}" for p, text in typed.items() if _is_option(p) and p.required
        ]
        return [*arguments, *required, "[OPTIONS]"]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads a command line; an empty text, as of an unset variable, stands for nothing."""
        given, *_ = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in self.get_params(ctx):
            values = given.get(parameter.name)
            if "" in (values if isinstance(values, list | tuple) else [values]):
                ctx.fail(f"{_name(parameter)}: expected a value, got an empty text")
        return super().parse_args(ctx, args)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Writes arguments and options by panel."""
        panels: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            names, text = record
            name = getattr(parameter, "rich_help_panel", None) or "Options"
            if not _is_option(parameter):
                names, name = _typed(parameter, ctx), "Arguments"
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
    if not _is_option(parameter):
        return str(parameter.name).upper()
    return _LIST.sub(r"<\1>", str(parameter.display_type_rich(ctx=ctx)))

"""Writes pages and pictures of docs/ from the code, so that they cannot fall behind it.

python docs/generate.py           writes them
python docs/generate.py --check   ends with 1 if one of them is not what it would write
"""
# ruff: noqa: E402

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main
import yaml

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS)]  # this checkout, whatever else is installed

from layers import layers_svg
from messages import messages

from electra_cli import errors
from electra_cli.cli.app import app
from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import diff_configs, load_config
from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Config, Root, leaf_fields, sections
from electra_cli.config.values import expected
from electra_cli.files import layout
from electra_cli.metrics.names import BANDS
from electra_cli.objectives import all_objectives, metrics_of

OUTPUT = DOCS
_NOTICE = "<!-- Written by docs/generate.py; do not edit. -->"

# Exit codes that no class of errors.py stands for.
_OTHER_CODES = {
    0: "Done; also when a finished run is started again.",
    1: "What was asked for was done, and is not good enough: a metric is lower than `--fail-under` "
    "of `electra evaluate` or `electra finetune`, or `electra doctor` found a problem.",
    130: "Interrupted from the keyboard.",
}

# The keys of RUN/metrics.jsonl besides the metrics; tests/docs/test_json_objects.py compares them.
METRIC_LINES = {
    "format_version": "version of this format, 1",
    "kind": "`train` for a logged step, `validation` for an evaluation, `finding` where something "
    "begins or ends to be wrong with the run, `start` and `end` of a process that trains",
    "step": "updates done",
    "time": "when it was written, in seconds since 1970 (lines of an older electra lack it)",
}
TRAIN_LINES = {
    "flops": "operations of all updates up to there, padding included (an older electra has none)",
    "total_loss": "weighted sum of both losses, of this step's batch",
    "masked_lm_loss": "the generator's, in nats a masked token",
    "disc_loss": "the discriminator's, in nats a token",
    "gradient_norm": "global norm before clipping",
    "learning_rate": "the rate of this update",
    "skipped_steps": "steps of this process without an update: not finite",
    "skipped_in_a_row": "how many of them just now, one after the other",
    "overflow_steps": "steps without an update while float16's loss scale was searched",
    "sequences_per_second": "since the second loop, without evaluation and saving",
    "tokens_per_second": "the same in tokens, padding included",
    "peak_share": "share of the measured matmul peak",
}
FINDING_LINES = {
    "name": "of the finding, as `--stop-on` takes it",
    "state": "`begins` or `ends`",
    "title": "the finding in words",
    "since": "the step from which on it holds; noticed was it at `step`",
    "evidence": "the numbers that show that it begins or ends",
}
START_LINES = {
    "began": "when its command began, in seconds since 1970 (lines of an older electra lack it)",
    "electra": "version of electra",
    "tensorflow": "version of TensorFlow",
    "device": "`--device` as it was given",
    "devices": "the devices that this came to, in words",
    "workers": "processes that train together (lines of an older electra lack it)",
    "replicas": "copies of the model that train together, over all workers",
    "precision": "the compute type",
}
END_LINES = {
    "reason": "why the process ended: `finished`, or the error; a killed one has no such line",
}


def pages() -> dict[str, str]:
    """Returns every generated page and picture by its path in docs/."""
    return {
        "reference/options.md": _options(),
        "reference/configuration.md": _configuration(),
        "reference/tasks.md": _tasks(),
        "reference/run-folder.md": _run_folder(),
        "reference/json.md": _json(),
        "reference/exit-codes.md": _exit_codes(),
        "reference/common-mistakes.md": _common_mistakes(),
        "images/layers.svg": layers_svg(DOCS.parent / "pyproject.toml"),
    }


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([_NOTICE, f"# {title}", *parts]) + "\n"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = [columns, ["---"] * len(columns), *rows]
    return "\n".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in cells
    )


def _options() -> str:
    group = typer.main.get_command(app)
    own = [p for p in group.params if not p.name.endswith("_completion")]  # those are Typer's
    parts = [
        "Every command also takes `-h` or `--help`. stdout holds what was asked for: one object "
        "with `--json`, else tables, unless `--quiet` hides them. What is said on the way, with "
        "the tables of a run, goes to stderr, and all tables do with `--json`. The `electra` "
        "command itself takes:",
        _table(("option", "meaning"), [(_code(p.opts), _help(p)) for p in own]),
    ]
    for name, command in _commands(group):
        annotations = inspect.get_annotations(command.callback, eval_str=True)
        rows = [_option_row(parameter, annotations[parameter.name]) for parameter in command.params]
        columns = ("argument or option", "value", "default", "meaning")
        examples = f"```sh\n{command.epilog.strip()}\n```"
        parts += [f"## electra {name}", command.help, examples, _table(columns, rows)]
    return _page("Commands and options", *parts)


def _commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """All commands by their full name; a group of commands is none itself."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}", command


def _option_row(parameter: Any, annotation: Any) -> tuple[str, str, str, str]:
    is_argument = parameter.param_type_name == "argument"
    names = [parameter.metavar or parameter.name.upper()] if is_argument else parameter.opts
    if getattr(parameter, "is_flag", False):
        return _code([*names, *parameter.secondary_opts]), "", _default(parameter), _help(parameter)
    value = "" if is_argument else _code([parameter.metavar or _placeholder(annotation)])
    return _code(names), value, _default(parameter), _help(parameter)


def _help(parameter: Any) -> str:
    return parameter.help


def _placeholder(annotation: Any) -> str:
    """What stands for a value of this type: N for an integer and so on."""
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    for part in get_args(annotation):
        if part is not type(None) and not isinstance(part, typer.models.ParameterInfo):
            return _placeholder(part)
    return {int: "N", float: "NUMBER", Path: "PATH", str: "TEXT"}[annotation]


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if getattr(parameter, "is_flag", False):
        on, off = parameter.opts, parameter.secondary_opts
        return _code(on if parameter.default else off) if off else "off"
    return "" if parameter.default in (None, ()) else f"`{parameter.default}`"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _configuration() -> str:
    presets = {
        name: load_config(preset=name, environment={}).config for name in available_presets()
    }
    dumped = {name: config.model_dump() for name, config in presets.items()}
    parts = [
        "A value comes from the first of these that sets it: the command line (an option such as "
        "`--steps`, or `--set SECTION.KEY=VALUE`), an environment variable, the file given with "
        "`--config`, the preset, the default below.",
        "The environment variable of `train.batch_size` is `ELECTRA_TRAIN__BATCH_SIZE`, and so on "
        "for every key. In a YAML file a section is a mapping:",
        "```yaml\ntrain:\n  batch_size: 64\n  steps: 10000\n```",
        "An unknown key or a value of the wrong type is an error that names the nearest key, and "
        "exit code 2. Numbers are read by the rules of YAML 1.2, so `1e-4` is a number.",
    ]
    for section in sections():
        values = [
            (
                f"`{key}`",
                *(_value(dumped[preset][section][key.partition(".")[2]]) for preset in presets),
            )
            for key in leaf_fields()
            if key.startswith(f"{section}.")
        ]
        parts += [*_section(Config, section)]
        parts += [f"In the presets:\n\n{_table(('key', *presets), values)}"]
    return _page("Configuration", *parts)


def _section(root: type[Root], name: str) -> Iterator[str]:
    """The heading of a section, what it is, and a table of its keys."""
    yield f"## {name}"
    yield (sections(root)[name].__doc__ or "").strip()
    rows = [
        (f"`{key}`", expected(field), _value(field.default), field.description or "")
        for key, field in leaf_fields(root).items()
        if key.startswith(f"{name}.")
    ]
    yield _table(("key", "takes", "default", "meaning"), rows)


def _tasks() -> str:
    parts = [
        "The keys of `electra finetune` and of a `--task-file`. They are set as those of "
        "[pretraining](configuration.md): by an option, by `--set SECTION.KEY=VALUE`, by an "
        "environment variable, by the task.",
    ]
    for section in sections(FinetuneConfig):
        if section != "runtime":
            parts += _section(FinetuneConfig, section)
    parts += ["## runtime", "As in [pretraining](configuration.md#runtime)."]
    default = FinetuneConfig()
    rows = []
    for name in available_presets(FinetuneConfig):
        config = load_config(FinetuneConfig, preset=name, environment={}).config
        changed = [
            f"`{key}: {str(now).lower() if isinstance(now, bool) else now}`"
            for key, _, now in diff_configs(default, config)
        ]
        rows.append((f"`{name}`", ", ".join(changed)))
    parts += ["## Named tasks", "What each sets to another value than the default:"]
    return _page("Tasks", *parts, _table(("task", "keys"), rows))


def _value(value: Any) -> str:
    return "`null`" if value is None else f"`{value}`"


def _paths(folder: str) -> list[tuple[str, str]]:
    """What lies where in a folder, as files/layout.py says it."""
    found: list[tuple[str, str]] = []
    for line in (layout.__doc__ or "").splitlines():
        path, _, meaning = line.partition(" ")
        if path.startswith(f"{folder}/"):
            found.append((f"`{path}`", meaning.strip()))
        elif not path and found and line.strip():  # the meaning goes on
            found[-1] = (found[-1][0], f"{found[-1][1]} {meaning.strip()}")
        elif found:
            break
    return found


def _run_folder() -> str:
    return _page(
        "Run folder",
        "`electra pretrain --model-dir RUN` writes:",
        _table(("path", "what it is"), _paths("RUN")),
        "A folder with a `config.yaml` is a run. The same command again goes on from the newest "
        "checkpoint; another configuration in the same folder is an error that lists the "
        "differences, and nothing is overwritten. The number of checkpoints that are kept is "
        "`train.keep_checkpoints`.",
        "## metrics.jsonl",
        "One JSON object a line. A value that is not a finite number is `null`. Every line has:",
        _table(("key", "meaning"), _documented(METRIC_LINES)),
        "A line of kind `train` also has:",
        _table(("key", "meaning"), _documented(TRAIN_LINES)),
        f"A line of kind `validation` also has `flops` and the held-out metrics: {_metric_names()}",
        "A line of kind `finding` also has ([what each finding means](../guide/health.md)):",
        _table(("key", "meaning"), _documented(FINDING_LINES)),
        "A line of kind `start` stands where a process begins, at the step it goes on from. A run "
        "that was killed does again what it had not saved, so that later steps may stand there "
        "twice: the last line counts. It also has:",
        _table(("key", "meaning"), _documented(START_LINES)),
        "A line of kind `end` also has:",
        _table(("key", "meaning"), _documented(END_LINES)),
        "## Fine-tuning",
        "`electra finetune --output FINETUNED` writes:",
        _table(("path", "what it is"), _paths("FINETUNED")),
    )


def _metric_names() -> str:
    objectives = all_objectives()
    broken_down = dict.fromkeys(
        name.partition("/")[0] for objective in objectives for name in objective.breakdowns
    )
    return (
        f"{_code(metrics_of(objectives))}; and for {_code(broken_down)} the breakdowns "
        f"METRIC/BAND, BAND one of {_code(BANDS)}."
    )


def _documented(keys: dict[str, str]) -> list[tuple[str, str]]:
    return [(f"`{key}`", meaning) for key, meaning in keys.items()]


def json_objects() -> dict[str, dict[str, tuple[str, str]]]:
    """Returns the keys of every object that `--json` prints, each with its type and meaning."""
    text = (DOCS / "json_objects.yaml").read_text(encoding="utf-8")
    return {
        name: {key: (kind, meaning) for key, (kind, meaning) in keys.items()}
        for name, keys in yaml.safe_load(text).items()
    }


def _json() -> str:
    parts = [
        "With `--json` a command prints exactly one JSON object on stdout, on failure too. There "
        "is no NaN and no infinity in it: such a value is `null`.",
        f"METRIC stands for each of {_metric_names()}",
    ]
    for name, keys in json_objects().items():
        title = name if name.startswith("on ") else f"electra {name}"
        rows = [(f"`{key}`", kind, meaning) for key, (kind, meaning) in keys.items()]
        parts += [f"## {title}", _table(("key", "type", "meaning"), rows)]
    return _page("JSON objects", *parts)


def _exit_codes() -> str:
    codes = dict(_OTHER_CODES)
    for error in errors.ElectraError.__subclasses__():
        codes[error.exit_code] = inspect.cleandoc(error.__doc__ or "").splitlines()[0]
    return _page(
        "Exit codes",
        "Schedulers decide by the exit code whether to start a job again, so it is part of the "
        "interface. With `--json` the object of a failed command repeats it.",
        _table(("code", "meaning"), [(str(code), codes[code]) for code in sorted(codes)]),
    )


# What one was about to do, by the parts of the package that tell what was wrong with it.
_ABOUT = {
    "corpus": "Text, vocabularies and prepared data",
    "inputs": "Reading prepared data",
    "config": "Presets and configuration",
    "training": "Runs and checkpoints",
    "interop": "Weights from elsewhere",
    "sources": "Weights from elsewhere",
    "finetuning": "Labelled data and fine-tuning",
    "evaluation": "Evaluation",
    "export": "Export",
    "metrics": "From Python",
    "modeling": "From Python",
    "cli": "Commands",
}


def _common_mistakes() -> str:
    rows: dict[str, list[tuple[str, str, str]]] = {title: [] for title in _ABOUT.values()}
    for message in messages(DOCS.parent / "electra_cli"):
        title = _ABOUT.get(message.file.parts[0], _ABOUT["cli"])
        code = "warning" if message.exit_code is None else str(message.exit_code)
        rows[title].append((_inline(message.text), code, _inline(message.hint)))
    parts = [
        "What electra says when something is wrong, and what helps. Search this page for a few "
        "words of a message; names in capitals and … stand for what differs from case to case. The "
        "number is the [exit code](exit-codes.md).",
    ]
    for title, told in rows.items():
        parts += [f"## {title}", _table(("message", "code", "what helps"), sorted(told))]
    return _page("Common mistakes", *parts)


def _inline(text: str) -> str:
    """Text in one line of a table; what Markdown or HTML would take for its own is escaped."""
    return re.sub(r"([*_<>\[\]])", r"\\\1", " ".join(text.split()))


def main(arguments: Sequence[str]) -> int:
    """Writes or checks them and returns the exit code."""
    stale = []
    for name, text in pages().items():
        path = OUTPUT / name
        if path.is_file() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(name)
        if "--check" not in arguments:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
    if "--check" in arguments and stale:
        sys.stderr.write(f"out of date: {', '.join(stale)}; run python docs/generate.py\n")
        return 1
    sys.stderr.write(f"{len(stale)} files written\n" if stale else "all files are up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

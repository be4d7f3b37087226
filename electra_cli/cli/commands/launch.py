"""electra launch: several workers, on this machine or as a text for a batch system."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from electra_cli.cli import options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.streams import write_result
from electra_cli.errors import ConfigError

EXAMPLES = """
electra launch --nodes 2 --to local -- pretrain --preset tiny
electra launch --nodes 4 --to slurm -- pretrain --preset small > job.sbatch
electra launch --nodes 9 --to slurm -- prepare-data texts --output data
"""
LESS_MEMORY = "use fewer --nodes, or start the workers on several machines"

_NOT_FOR = {
    "output": ("local",),
    "name": ("local",),
    "image": ("local", "slurm"),
    "max_restarts": ("local", "vertex"),
}
_RESULTS = {
    "pretrain": ("model_dir", "--model-dir"),
    "finetune": ("output", "--output"),
    "prepare-data": ("output", "--output"),
}


# fmt: off
def command(
    context: typer.Context,
    arguments: Annotated[list[str], typer.Argument(
        metavar="COMMAND...", show_default=False,
        help="Behind --: pretrain, evaluate, finetune or prepare-data, with the options of each "
        "worker.")],
    to: Annotated[Literal["local", "slurm", "jobset", "vertex"], typer.Option(
        show_default=False,
        help="local: processes on this machine. slurm: a script for sbatch. jobset: a manifest for "
        "Kubernetes. vertex: a custom job of Vertex AI.")],
    nodes: Annotated[int, typer.Option(
        min=1, max=10_000, help="Machines with a worker each; with local, workers; of "
        "prepare-data, tasks of each stage.")] = 1,
    gpus_per_node: Annotated[int, typer.Option(
        min=0, max=1_000, help="GPUs of each worker.")] = 0,
    output: Annotated[Path | None, typer.Option(
        metavar="FILE", show_default="stdout",
        help="File to write; over an earlier one of its own only.")] = None,
    name: Annotated[str, typer.Option(help="Name of the job.")] = "electra",
    image: Annotated[str | None, typer.Option(
        help="Container image, for jobset and vertex.")] = None,
    max_restarts: Annotated[int, typer.Option(
        min=0, max=100_000, help="How often slurm and jobset start the job again.")] = 20,
    option: Annotated[list[str] | None, typer.Option(
        metavar="KEY=VALUE",
        help="slurm: any option of sbatch. jobset: namespace, claim, mount, secret, cpu, memory. "
        "vertex: machine, accelerator, nfs, network, service-account. Repeatable.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Start several workers here, or write what starts them elsewhere; nothing is submitted."""
    # fmt: on
    del debug
    from electra_cli.launch.jobset import jobset_manifest, stages_manifest
    from electra_cli.launch.output import write_text
    from electra_cli.launch.plan import Launch, parse_options
    from electra_cli.launch.slurm import sbatch_script, stages_script
    from electra_cli.launch.vertex import custom_job

    _check_effect(context, to)
    launch = Launch(
        tuple(arguments),
        nodes,
        gpus_per_node=gpus_per_node,
        name=name,
        image=image,
        restarts=max_restarts,
        options=parse_options(option or []),
    )
    given = _checked(launch.command)
    stages = _stages(launch, to, given) if launch.command[0] == "prepare-data" else []
    if to == "local":
        _run(launch, given, as_json=as_json, quiet=quiet)
    results = None
    if launch.command[0] in _RESULTS:
        key, words = _RESULTS[launch.command[0]]
        results = words, None if given[key] is None else str(given[key])
    if to == "slurm":
        text = stages_script(launch, stages) if stages else sbatch_script(launch)
    elif stages:
        assert results is not None
        text = stages_manifest(launch, results, stages)
    else:
        text = {"jobset": jobset_manifest, "vertex": custom_job}[to](launch, results)
    if output is not None:
        write_text(output, text)
        Terminal(quiet=quiet).note(f"{output}: {_submit(to, output, name, stages)}")
    elif not as_json and not quiet:
        write_result(text)
    if as_json:
        emit_json(
            {
                "command": "launch",
                "to": to,
                "nodes": nodes,
                "output": None if output is None else str(output),
                "text": text,
            }
        )


def _submit(to: str, output: Path, name: str, stages: list[Any]) -> str:
    """What to type next."""
    file = shlex.quote(str(output))
    if to == "slurm":
        return f"{'bash' if stages else 'sbatch'} {file}"
    if to == "jobset":
        return f"kubectl apply -f {file}"
    return (
        f"gcloud ai custom-jobs create --region=REGION --display-name={shlex.quote(name)} "
        f"--config={file}"
    )


def _check_effect(context: typer.Context, to: str) -> None:
    """Refuses options that would change nothing.

    Raises:
      ConfigError: There is one of those that were given.
    """
    for key, systems in _NOT_FOR.items():
        if to in systems and _is_given(context, key):
            option = f"--{key.replace('_', '-')}"
            raise ConfigError(f"--to {to} has no use for {option}", hint=f"leave {option} out")


def _is_given(context: typer.Context, key: str) -> bool:
    source = context.get_parameter_source(key)
    return source is not None and source.name == "COMMANDLINE"


def _checked(command: tuple[str, ...]) -> dict[str, Any]:
    """The values of the command's options; see that it would take them.

    Raises:
      ConfigError: It says where the workers are, which is what launch does, or names a URL.
      Exception: It has no such option, or no such value; an error of Typer's.
    """
    from electra_cli.cli.app import app

    commands: Any = typer.main.get_command(app)
    context = commands.commands[command[0]].make_context(f"electra {command[0]}", [*command[1:]])
    if _is_given(context, "cluster"):
        raise ConfigError(
            "electra launch says itself where the workers are", hint="leave --cluster out"
        )
    options.refuse_urls(context.params)
    return dict(context.params)


def _stages(launch: Any, to: str, given: dict[str, Any]) -> list[Any]:
    """The stages of `prepare-data` in which there is something to do.

    Raises:
      ConfigError: They are no jobs for this system, or the command says itself what is divided.
    """
    from electra_cli.corpus.preparation.engines.schedule import stages_of
    from electra_cli.corpus.reading.input_file import STANDARD_INPUT

    if to in ("local", "vertex"):
        instead = {
            "local": "electra prepare-data uses all cores of this machine by itself: type it alone",
            "vertex": "--to slurm or --to jobset; or electra prepare-data --engine beam",
        }
        raise ConfigError(f"--to {to} does not divide prepare-data", hint=instead[to])
    if launch.gpus_per_node:
        raise ConfigError("prepare-data has no use for GPUs", hint="leave --gpus-per-node out")
    for name in ("stage", "task_index", "num_tasks"):
        if given[name] is not None:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(
                f"electra launch says itself which part is whose: {option} is too much",
                hint=f"leave {option} out",
            )
    if given["engine"] != "local":
        raise ConfigError(
            f"--engine {given['engine']} divides the work itself",
            hint="leave it out, or type electra prepare-data without electra launch",
        )
    if STANDARD_INPUT in given["inputs"]:
        raise ConfigError(
            "standard input does not come to the machines of a cluster",
            hint="write it to a file that all of them see",
        )
    finds = given["deduplicate"] != "none" or given["near_duplicates"] is not None
    return list(stages_of(duplicates=finds, trains=given["vocab"] is None))


def _run(launch: Any, given: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Runs the workers here and ends this process as they did."""
    from dataclasses import replace

    from electra_cli.launch.local import run_workers

    added = ["--json"] * (as_json and not given["as_json"])
    added += ["--quiet"] * (quiet and not given["quiet"])
    launch = replace(launch, command=(launch.command[0], *added, *launch.command[1:]))
    terminal = Terminal(quiet=quiet)

    def show(index: int, line: str) -> None:
        terminal.make_room()
        terminal.warn(line, label=f"worker {index}: ")

    sys.exit(run_workers(launch, on_line=show))

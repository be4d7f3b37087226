"""`electra config init`: a configuration for a text, a machine and some hours."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from electra_cli.cli import options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.cli.screen.streams import write_result
from electra_cli.config.recipes import Hardware

EXAMPLES = """
electra config init --corpus-bytes 50MB --hardware cpu --hours 24
electra config init --corpus-bytes 10GB --hardware gpu --hours 72 > mine.yaml
"""
LESS_MEMORY = ""


# fmt: off
def command(
    corpus_bytes: Annotated[str, typer.Option(
        metavar="SIZE", show_default=False, help="Text there is, uncompressed: 50MB, 2.5GB, …")],
    hardware: Annotated[Hardware, typer.Option(
        show_default=False, help="What it is trained on: two CPU cores, or one GPU.")],
    hours: Annotated[float, typer.Option(
        show_default=False, help="Time there is for training.")],
    output: Annotated[Path | None, typer.Option(
        metavar="FILE.yaml", show_default="stdout",
        help="File to write; one that is there is left alone.")] = None,
    tflops: Annotated[float | None, typer.Option(
        show_default="by hardware and model",
        help="TFLOP a second that the machine reaches, all its devices together.")] = None,
    memory: Annotated[str | None, typer.Option(
        metavar="SIZE", show_default="by hardware and model",
        help="Memory of the device; a batch is computed in parts that fit.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Write a commented configuration for a text, a machine and some hours."""
    # fmt: on
    del debug
    from electra_cli.config.values import bytes_in
    from electra_cli.modeling.budget import budget_of
    from electra_cli.modeling.recipe_file import in_words, recipe_yaml, write_recipe
    from electra_cli.modeling.recipe_plan import plan_recipe

    plan = plan_recipe(
        bytes_in(corpus_bytes, "--corpus-bytes"),
        hardware,
        hours=hours,
        tflops=tflops,
        memory=None if memory is None else bytes_in(memory, "--memory"),
    )
    asked = ["electra", "config", "init", "--corpus-bytes", corpus_bytes, "--hardware", hardware]
    asked += ["--hours", f"{hours:g}", *(["--tflops", f"{tflops:g}"] if tflops else [])]
    name = "mine.yaml" if output is None else shlex.quote(str(output))
    asked += [] if memory is None else ["--memory", memory]
    text = recipe_yaml(plan, command=shlex.join(asked), name=name)
    if output is not None:
        write_recipe(output, text)
    elif not as_json and not quiet:
        write_result(text)
    told = in_words(plan)  # also where stdout goes into a file
    Terminal(quiet=quiet).note(told if output is None else f"{output}: {told}")
    if as_json:
        emit_json(
            {
                "command": "config init",
                "output": None if output is None else str(output),
                "text": text,
                "preset": plan.size.preset,
                "vocab_size": plan.recipe.vocab_size,
                "sequence_length": plan.config.data.sequence_length,
                "values": [{"key": key, "value": value} for key, value in plan.changes.items()],
                "tokens": round(plan.tokens),
                "passes": plan.passes,
                "flops_per_token": budget_of(plan.config).flops_per_token,
                "tflops": plan.tflops,
                "memory_bytes": plan.memory,
                "estimated_seconds": 3600 * plan.hours,
                "limit": plan.limit,
            }
        )

"""electra export: weights in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from electra_cli.cli import options
from electra_cli.cli.console import Terminal, emit_json
from electra_cli.training.loop.signals import StopSignals

EXAMPLES = """
electra export runs/mine --format huggingface --output mine
electra export runs/mine --format onnx --output mine-onnx
electra export google/electra_small --format huggingface --output small
"""


def export_command(
    checkpoint: Annotated[
        Path,
        typer.Argument(
            help="A run folder, meaning its newest checkpoint, or a checkpoint's prefix; also a "
            "checkpoint of google-research/electra or a Hugging Face folder.",
            show_default=False,
        ),
    ],
    format: Annotated[
        Literal["huggingface", "saved-model", "onnx", "reference"],
        typer.Option(
            "--format",
            help="huggingface: discriminator/ and generator/ for transformers. saved-model: a "
            "TensorFlow SavedModel with one signature for ids and one for text. onnx: "
            "discriminator.onnx and encoder.onnx; needs pip install '.[onnx]'. reference: "
            "a checkpoint for google-research/electra.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("--output", help="Folder to make; must not exist yet.", show_default=False),
    ],
    reference_config: Annotated[
        Path | None,
        typer.Option(
            help="Sizes of a checkpoint of google-research/electra, JSON; inferred without it.",
            show_default=False,
        ),
    ] = None,
    vocab: Annotated[
        Path | None,
        typer.Option(help="Vocabulary of weights that no run belongs to.", show_default=False),
    ] = None,
    lowercase: Annotated[
        bool | None,
        typer.Option(
            "--lowercase/--no-lowercase",
            help="Whether the tokenizer of such weights lower-cases.",
            show_default="as recorded, else yes",
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Export a checkpoint, and check what was written against the model."""
    from electra_cli.export.run import HUGGINGFACE, export

    del debug  # read by cli.app
    terminal = Terminal(quiet=quiet, stdout=not json)
    # Each ends the command where it is, and what is half written goes.
    with StopSignals() as signals:

        def on_progress(text: str) -> None:
            signals.check()
            terminal.note(text)

        exported = export(
            checkpoint=checkpoint,
            format=format,
            output=output,
            reference_config=reference_config,
            vocab=vocab,
            lowercase=lowercase,
            on_progress=on_progress,
        )
    parity = exported.parity
    rows = [[name, f"{(output / name).stat().st_size:,}"] for name in exported.files]
    terminal.table(f"{exported.checkpoint} → {output}", ["file", "bytes"], rows)
    terminal.result(
        f"compared with the model by {parity.method}: largest difference "
        f"{parity.max_abs_difference:.2g}, allowed {parity.bound:.2g}"
    )
    if format == HUGGINGFACE:
        terminal.result(f"to fine-tune: {output / 'discriminator'}")
    if json:
        emit_json(
            {
                "command": "export",
                "format": exported.format,
                "output": str(output),
                "files": exported.files,
                "parity": {
                    "method": parity.method,
                    "max_abs_difference": parity.max_abs_difference,
                    "bound": parity.bound,
                },
            }
        )

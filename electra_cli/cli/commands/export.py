"""electra export: weights in the format of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from electra_cli.cli import completion, options
from electra_cli.cli.screen.console import Terminal, emit_json
from electra_cli.config.choices import Network
from electra_cli.training.loop.signals import StopSignals

EXAMPLES = """
electra export runs/mine --format huggingface --output mine
electra export finetuned/cola --format onnx --output cola-onnx
electra export google/electra_small --format huggingface --output small
"""
LESS_MEMORY = "end other programs, or export on a machine with more memory: all weights are held"


# fmt: off
def command(
    checkpoint: Annotated[Path, typer.Argument(
        show_default=False, autocompletion=completion.checkpoints,
        help="A run folder, meaning its newest checkpoint, or a checkpoint's prefix; a folder of "
        "electra finetune, meaning its best run, or a run in it; also a checkpoint of "
        "google-research/electra or a Hugging Face folder.")],
    format: Annotated[Literal["huggingface", "saved-model", "onnx", "reference"], typer.Option(
        "--format", show_default=False,
        help="huggingface: discriminator/ and generator/ for transformers, or the fine-tuned "
        "model. saved-model: a TensorFlow SavedModel with one signature for ids and, of WordPiece, "
        "one for text. "
        "onnx: discriminator.onnx and encoder.onnx, or model.onnx of a fine-tuned model; needs "
        "pip install '.[onnx]'. reference: a checkpoint for google-research/electra.")],
    output: Annotated[Path, typer.Option(
        "--output", show_default=False, help="Folder to make; must not exist yet.")],
    only: Annotated[Network | None, typer.Option(
        show_default=False,
        help="Write one network alone, where a run has two: a discriminator whose generator the "
        "format has no place for, for example.")] = None,
    reference_config: Annotated[Path | None, typer.Option(
        show_default=False,
        help="Sizes of a checkpoint of google-research/electra, JSON; inferred without it.")
    ] = None,
    vocab: Annotated[Path | None, typer.Option(
        show_default=False,
        help="Vocabulary of weights that no run belongs to, or their tokenizer.json.")] = None,
    lowercase: Annotated[bool | None, typer.Option(
        "--lowercase/--no-lowercase", show_default="as recorded, else yes",
        help="Whether the tokenizer of such weights lower-cases.")] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Export a checkpoint, and check what was written against the model."""
    # fmt: on
    del debug  # read by cli.app
    from electra_cli.export.places import HUGGINGFACE
    from electra_cli.export.run import export

    terminal = Terminal(quiet=quiet, stdout=not as_json)
    # Each ends the command where it is, and what is half written goes.
    with StopSignals() as signals:

        def on_progress(text: str) -> None:
            signals.check()
            terminal.note(text)

        exported = export(
            checkpoint=checkpoint,
            format=format,
            output=output,
            only=only,
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
    if format == HUGGINGFACE and exported.networks and only != "generator":
        terminal.result(f"to fine-tune: {output / exported.networks[0]}")
    if as_json:
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

"""ONNX files: a discriminator with its head and its encoder alone, or the model of a task.

onnx and onnxruntime, which are imported here, come with the extra `onnx`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnxruntime

from electra_cli.export.checks.parity import Parity, compare
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.export.formats.card import onnx_card
from electra_cli.export.formats.onnx_graph import INPUTS, LOGITS, SEQUENCE, build
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.export.networks import ExportedNetwork, Model, networks_of
from electra_cli.interop.huggingface import output_names
from electra_cli.sources.exportable import Exportable

# The files of a discriminator, and what they give.
_FILES = {"discriminator.onnx": (LOGITS,), "encoder.onnx": (SEQUENCE,)}


def write(model: Model, item: Exportable, folder: Path) -> None:
    """Writes the models, the tokenizer's files and a card into an existing folder.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      OSError: The disk is full, for example.
    """
    network = networks_of(model, item)[0]
    for name, outputs in _files(network, item).items():
        graph = build(network.config, network.tensors, outputs)
        (folder / name).write_bytes(graph.SerializeToString())
    write_tokenizer(item, folder)
    (folder / "README.md").write_text(onnx_card(item), encoding="utf-8")


def check(model: Model, item: Exportable, folder: Path) -> Parity:
    """Runs the files by onnxruntime and compares them with NumPy and with the model.

    The files are written from the tensors that NumPy reads too, so a wrong name map shows against
    the model alone. A second batch has another size and length.

    Raises:
      TrainingError: An output differs by more than the bound.
    """
    onnxruntime.set_default_logger_severity(3)  # errors; its warnings are about devices
    network = networks_of(model, item)[0]
    whole = make_probe(item)
    part = Probe(whole.ids[1:, :-1], whole.mask[1:, :-1], whole.segments[1:, :-1])
    pairs = []
    for name, outputs in _files(network, item).items():
        session = onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for probe in (whole, part):
            arguments = (probe.ids, probe.mask, probe.segments)
            found = session.run(list(outputs), dict(zip(INPUTS, arguments, strict=True)))
            for expected in (network.numpy_outputs(probe), network.own_outputs(probe)):
                pairs += [
                    (name, expected[output], values)
                    for output, values in zip(outputs, found, strict=True)
                ]
    return compare("numpy", pairs)


def _files(network: ExportedNetwork, item: Exportable) -> Mapping[str, tuple[str, ...]]:
    return {"model.onnx": output_names(network.config)} if item.finetuned else _FILES

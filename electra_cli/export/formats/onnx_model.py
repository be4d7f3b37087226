"""Two ONNX files: the discriminator with its head, and its encoder alone.

onnx and onnxruntime, which are imported here, come with the extra `onnx`.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from electra_cli.export.checks.parity import Parity, compare, numpy_discriminator
from electra_cli.export.checks.probe import Probe, make_probe
from electra_cli.export.formats.card import onnx_card
from electra_cli.export.formats.onnx_graph import INPUTS, LOGITS, SEQUENCE, build
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.interop.huggingface import network_configs, network_tensors
from electra_cli.modeling.electra import ElectraModel
from electra_cli.sources.exportable import Exportable

# Each file and its output.
_FILES = {"discriminator.onnx": LOGITS, "encoder.onnx": SEQUENCE}


def write(model: ElectraModel, item: Exportable, folder: Path) -> None:
    """Writes both models, the tokenizer's files and a card into an existing folder.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      OSError: The disk is full, for example.
    """
    config = network_configs(item.config, pad_id=item.special_ids.pad)["discriminator"]
    tensors = network_tensors(model)["discriminator"]
    for name, output in _FILES.items():
        (folder / name).write_bytes(build(config, tensors, output).SerializeToString())
    write_tokenizer(item, folder)
    (folder / "README.md").write_text(onnx_card(item), encoding="utf-8")


def check(model: ElectraModel, item: Exportable, folder: Path) -> Parity:
    """Runs both files by onnxruntime and compares them with NumPy and with the model.

    The files are written from the tensors that NumPy reads too, so a wrong name map shows against
    the model alone. A second batch has another size and length.

    Raises:
      TrainingError: An output differs by more than the bound.
    """
    onnxruntime.set_default_logger_severity(3)  # errors; its warnings are about devices
    whole = make_probe(item)
    part = Probe(whole.ids[1:, :-1], whole.mask[1:, :-1], whole.segments[1:, :-1])
    sessions = {
        name: onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for name in _FILES
    }
    pairs = []
    for probe in (whole, part):
        arguments = (probe.ids, probe.mask, probe.segments)
        reference = numpy_discriminator(model, item)
        by_numpy = {
            SEQUENCE: reference.sequence_output(*arguments),
            LOGITS: reference.discriminator_logits(*arguments),
        }
        features = probe.features()
        logits, sequence = model.discriminate(features["masked_input_ids"], features)
        by_model = {SEQUENCE: sequence.numpy(), LOGITS: logits.numpy()}
        for name, output in _FILES.items():
            (found,) = sessions[name].run([output], dict(zip(INPUTS, arguments, strict=True)))
            pairs += [(name, by_numpy[output], found), (name, by_model[output], found)]
    return compare("numpy", pairs)

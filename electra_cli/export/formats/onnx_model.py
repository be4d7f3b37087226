"""Two ONNX files: the discriminator with its head, and its encoder alone.

onnx and onnxruntime, which are imported here, come with the extra `onnx`.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime

from electra_cli.export.checks.batch import Batch, make_batch
from electra_cli.export.checks.numpy_forward import NumpyElectra
from electra_cli.export.checks.parity import Parity, compare
from electra_cli.export.formats.card import onnx_card
from electra_cli.export.formats.onnx_graph import INPUTS, LOGITS, SEQUENCE, build
from electra_cli.export.formats.tokenizer_files import write_tokenizer
from electra_cli.export.sources.networks import DISCRIMINATOR, network_tensors
from electra_cli.export.sources.source import Source
from electra_cli.interop.huggingface import discriminator_config
from electra_cli.modeling.electra import ElectraModel

# Each file and its output.
_FILES = {"discriminator.onnx": LOGITS, "encoder.onnx": SEQUENCE}


def write(model: ElectraModel, source: Source, folder: Path) -> None:
    """Writes both models, the tokenizer's files and a card into an existing folder.

    Raises:
      TrainingError: A variable has no place in Hugging Face's layout.
      OSError: The disk is full, for example.
    """
    config = discriminator_config(source.config, pad_id=source.special_ids.pad)
    tensors = network_tensors(model, source)[DISCRIMINATOR]
    for name, output in _FILES.items():
        (folder / name).write_bytes(build(config, tensors, output).SerializeToString())
    if source.vocab is not None:
        write_tokenizer(source, folder)
    (folder / "README.md").write_text(onnx_card(source), encoding="utf-8")


def check(model: ElectraModel, source: Source, folder: Path) -> Parity:
    """Runs both files by onnxruntime and compares them with NumPy and with the model.

    Both, because the files are written from the tensors that NumPy reads too: a wrong name map
    shows against the model alone. A second batch has another size and length.

    Raises:
      TrainingError: An output differs by more than the bound.
    """
    onnxruntime.set_default_logger_severity(3)  # errors; its warnings are about devices
    config = discriminator_config(source.config, pad_id=source.special_ids.pad)
    tensors = network_tensors(model, source)[DISCRIMINATOR]
    whole = make_batch(source)
    part = Batch(whole.ids[1:, :-1], whole.mask[1:, :-1], whole.segments[1:, :-1])
    sessions = {
        name: onnxruntime.InferenceSession(folder / name, providers=["CPUExecutionProvider"])
        for name in _FILES
    }
    pairs = []
    for batch in (whole, part):
        arguments = (batch.ids, batch.mask, batch.segments)
        reference = NumpyElectra(config, tensors)
        by_numpy = {
            SEQUENCE: reference.sequence_output(*arguments),
            LOGITS: reference.discriminator_logits(*arguments),
        }
        features = batch.features()
        logits, sequence = model.discriminate(features["masked_input_ids"], features)
        by_model = {SEQUENCE: sequence.numpy(), LOGITS: logits.numpy()}
        for name, output in _FILES.items():
            (found,) = sessions[name].run([output], dict(zip(INPUTS, arguments, strict=True)))
            pairs += [(name, by_numpy[output], found), (name, by_model[output], found)]
    return compare("numpy", pairs)

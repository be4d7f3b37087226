"""The one reason why there is no GPU, on machines that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.training.devices import reasons
from electra_cli.training.devices.bounded import Answer
from electra_cli.training.devices.libraries import DRIVER, wanted_libraries
from electra_cli.training.devices.reasons import why_no_gpu
from tests.doctor.machines import L4, smi, write

OLD = "0, Tesla K80, 580.1, 11441, 3.7, [N/A]"
KERNEL = {"proc/driver/nvidia/version": "NVRM version: x86_64 Kernel Module  580.95.05  Tue\n"}


@pytest.mark.parametrize(
    ("files", "rows", "shown", "missing", "words"),
    [
        ({}, "", None, (), "no NVIDIA card and no driver"),
        ({}, "", "", (), "no NVIDIA card and no driver"),  # nothing that could be hidden
        (KERNEL, "", None, (), "this container was given no card"),
        ({}, L4, "", ("libcudnn.so.9",), "CUDA_VISIBLE_DEVICES='' hides every GPU"),
        ({}, OLD, "3", (), "CUDA_VISIBLE_DEVICES='3': there is no GPU 3"),
        ({}, OLD, "0", ("libcudnn.so.9",), "built for 6.0 and later"),
        ({}, L4, "0", ("libcudnn.so.9", "libnccl.so.2"), "libcudnn.so.9: cannot open"),
        ({}, L4, None, (DRIVER,), "libcuda.so.1: cannot open"),
        ({}, L4, None, ("libnccl.so.2",), "nvidia-smi lists a card, and TensorFlow uses none"),
    ],
)
def test_why_there_is_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict, rows: str, shown: str | None,
    missing: tuple, words: str,
) -> None:  # fmt: skip
    def ask(command: list[str], **_: object) -> Answer:
        if command[0] == "nvidia-smi":
            return smi(rows, failure="" if rows else "is missing", is_there=bool(rows))(command[1:])
        error = "{}: cannot open shared object file"
        lines = (
            f'{{"file": "{file}", "path": "{file}", '
            f'"error": "{error.format(file) if file in missing else ""}"}}'
            for file in (DRIVER, *(library.file for library in wanted_libraries()))
        )
        return Answer("\n".join(lines))

    monkeypatch.setattr(reasons, "_ROOT", write(tmp_path, files))
    monkeypatch.setattr(reasons, "ask", ask)
    monkeypatch.setattr(reasons.cards, "ask", ask)
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    if shown is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", shown)
    assert words in why_no_gpu().found

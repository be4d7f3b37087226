"""A training run on a GPU as far as that can be seen without one: TensorFlow finds a card, its
compiler for GPUs compiles our steps, and what is sent to the card is counted by a stand-in."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from electra_cli.config.load import read_config
from electra_cli.modeling.budget import budget_of
from tests.conftest import settings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("gcc") is None, reason="compiles a stand-in for a GPU: apt-get install gcc"
    ),
]

_CARD = Path(__file__).with_name("card.c")
_LIBRARIES = (
    *("cuda.so.1", "cudart.so.12", "cublas.so.12", "cublasLt.so.12", "cudnn.so.9", "cufft.so.11"),
    *("cusolver.so.11", "cusparse.so.12", "cupti.so.12"),
)
# What CUDA's assembler answers and writes; its library of mathematics may be a text without any.
_ASSEMBLER = """#!/bin/sh
[ "$1" = --version ] && echo "Cuda compilation tools, release 12.9, V12.9.86"
while [ $# -gt 0 ]; do [ "$1" = -o ] && echo code >"$2"; shift; done
"""
_LEAVES_THE_CARD = r" (infeed|outfeed|send|recv|conditional|while|all-reduce)\("


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment in which a process sees a card."""
    folder = tmp_path_factory.mktemp("card")
    (folder / "bin").mkdir()
    library = folder / f"lib{_LIBRARIES[0]}"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, _CARD], check=True)
    for name in _LIBRARIES[1:]:
        (folder / f"lib{name}").symlink_to(library)
    assembler = folder / "bin" / "ptxas"
    assembler.write_text(_ASSEMBLER)
    assembler.chmod(0o755)
    mathematics = folder / "nvvm" / "libdevice" / "libdevice.10.bc"
    mathematics.parent.mkdir(parents=True)
    mathematics.write_text("; no functions\n")
    flags = f"--xla_gpu_cuda_data_dir={folder} --xla_gpu_enable_triton_gemm=false"
    seen = {"LD_LIBRARY_PATH": str(folder), "CUDA_VISIBLE_DEVICES": "0", "TF_XLA_FLAGS": ""}
    path = f"{assembler.parent}:{os.environ['PATH']}"
    return os.environ | seen | {"PATH": path, "XLA_FLAGS": flags, "XDG_CACHE_HOME": str(folder)}


def test_a_step_is_one_launch_that_takes_a_batch_and_gives_nothing_back(
    card: dict[str, str], data: Path, tmp_path: Path
) -> None:
    report, dump, run = tmp_path / "report", tmp_path / "dump", tmp_path / "run"
    more = card | {"STANDIN_REPORT": str(report)}
    more["XLA_FLAGS"] += f" --xla_dump_to={dump} --xla_dump_hlo_as_text"
    command = ["pretrain", "--preset", "tiny", "--data", data, "--model-dir", run, "--json"]
    command += ["--device", "gpu", "--precision", "bfloat16", "--steps", 22]
    every = ("train.log_every=100", "train.evaluate_every=100", "train.checkpoint_every=100")
    process = subprocess.run(
        [sys.executable, "-m", "tests.standin.on_a_card", *map(str, command), *settings(*every)],
        env=more,
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    result = json.loads(process.stdout)
    assert (result["device"], result["final_step"]) == ("gpu", 22)
    kernels, arrays, logs = 0, 3, 0  # ids, and two numbers a row
    between = Counter(report.read_text().splitlines())
    assert between[f"{kernels} {arrays} {logs}"] >= 18  # the first steps are loops of their own
    texts = [path.read_text() for path in dump.glob("*training_step*gpu_after_optimizations.txt")]
    assert len(texts) == 1
    assert re.findall(_LEAVES_THE_CARD, texts[0]) == []
    assert set(re.findall(r'custom_call_target="([^"]+)"', texts[0])) == {"__cublas$gemm"}
    assert " sort(" not in texts[0]  # the gradient of the words adds integers, in any order
    (memory,) = dump.glob("*training_step*gpu_after_optimizations-memory-usage-report.txt")
    found = re.match(r"Total bytes used: (\d+)", memory.read_text())
    config = read_config(run / "config.yaml")
    budget = budget_of(config, precision="bfloat16", compiled=True)
    assert found is not None
    assert 0.6 < int(found[1]) / budget.memory_bytes < 1.2
    (values,) = dump.glob("*training_step*gpu_after_optimizations-buffer-assignment.txt")
    masked, words = config.train.batch_size * config.max_predictions, config.model.vocab_size
    written = set(re.findall(rf"value: .*: (\w+)\[{masked},{words}\]", values.read_text()))
    assert written == {"bf16"}  # logits and their gradient; in float32 they are made on the fly

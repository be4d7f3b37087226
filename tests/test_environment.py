from __future__ import annotations

import ctypes
import importlib.util
import os
import signal
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from electra_cli.environment import may_have_card, prepare_tensorflow, prepare_torch

DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops=true"


def prepared(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, str]:
    """The variables after TensorFlow was prepared with these and no others."""
    monkeypatch.setattr("os.environ", {"HOME": "/nonexistent", **variables})
    prepare_tensorflow()
    return dict(os.environ)


@pytest.mark.parametrize(
    ("variables", "files", "expected"),
    [
        ({}, (), False),
        ({}, ("nvidiactl", "nvidia-uvm"), False),  # a driver that was given no card
        ({}, ("nvidia0",), True),
        ({}, ("dxg",), True),
        ({"CUDA_VISIBLE_DEVICES": "1"}, (), True),
        ({"CUDA_VISIBLE_DEVICES": "MIG-1"}, ("nvidia0",), True),
        ({"CUDA_VISIBLE_DEVICES": ""}, ("nvidia0",), False),
        ({"CUDA_VISIBLE_DEVICES": " -1 "}, ("nvidia0",), False),
    ],
)
def test_a_card_is_seen_without_its_driver(
    tmp_path: Path, variables: dict, files: tuple, expected: bool
) -> None:
    for name in files:
        (tmp_path / name).touch()
    assert may_have_card(variables, tmp_path) == expected


def test_without_a_card_xla_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "XLA_FLAGS" not in prepared(monkeypatch, CUDA_VISIBLE_DEVICES="-1")


@pytest.mark.parametrize("name", ["cache", 'a "cache" of mine'])
def test_choices_of_kernels_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    card = {"CUDA_VISIBLE_DEVICES": "0", "XDG_CACHE_HOME": str(tmp_path / name)}
    found = prepared(monkeypatch, **card)
    folder = tmp_path / name / "electra" / f"autotune-{metadata.version('tensorflow')}"
    assert folder.is_dir()
    flag = f"--xla_gpu_per_fusion_autotune_cache_dir={folder}"
    if name != "cache":
        escaped = str(folder).replace('"', '\\"')
        flag = f'--xla_gpu_per_fusion_autotune_cache_dir="{escaped}"'
    assert found["XLA_FLAGS"] == f"{DETERMINISTIC} {flag}"
    assert prepared(monkeypatch, **found) == found  # once, however often
    # Memory as it is needed, and numbers as nvidia-smi has them.
    assert found["TF_FORCE_GPU_ALLOW_GROWTH"] == "true"
    assert found["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--xla_gpu_autotune_level=0", f"--xla_gpu_autotune_level=0 {DETERMINISTIC}"),
        ("--xla_gpu_exclude_nondeterministic_ops=false",) * 2,
        ("/etc/xla.flags",) * 2,  # a file with flags
    ],
)
def test_what_a_user_tells_xla_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    file = tmp_path / "file"
    file.touch()  # no place for a cache
    card = {"CUDA_VISIBLE_DEVICES": "0", "XDG_CACHE_HOME": str(file)}
    assert prepared(monkeypatch, **card, XLA_FLAGS=given)["XLA_FLAGS"] == expected


@pytest.mark.parametrize(
    ("home", "keras_home", "expected"),
    [
        (None, None, os.devnull),
        (None, "/chosen", "/chosen"),
        ("/nonexistent", None, None),
    ],
)
def test_keras_keeps_nothing_for_a_user_without_a_home(
    monkeypatch: pytest.MonkeyPatch, home: str | None, keras_home: str | None, expected: str | None
) -> None:
    """As in a container that is started with a number: no HOME, and not in /etc/passwd."""
    monkeypatch.setattr("pwd.getpwuid", lambda number: {}[number])
    for name, value in (("HOME", home), ("KERAS_HOME", keras_home)):
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    monkeypatch.setattr("os.environ", dict(os.environ))
    prepare_tensorflow()
    assert os.environ.get("KERAS_HOME") == expected


def test_xla_obeys_the_level_of_notes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = importlib.util.find_spec("tensorflow")
    assert spec is not None
    assert spec.origin is not None
    library = ctypes.CDLL(str(Path(spec.origin).parent / "libtensorflow_framework.so.2"))
    level = library["_ZN4absl12lts_2025012711MinLogLevelEv"]
    for given, expected in (({"TF_CPP_MIN_LOG_LEVEL": "1"}, 1), ({}, 3)):
        prepared(monkeypatch, **given)
        assert level() == expected
    prepared(monkeypatch, TF_CPP_MIN_LOG_LEVEL="all of it")  # TensorFlow takes no notice either
    assert level() == expected
    prepared(monkeypatch, TF_CPP_MIN_LOG_LEVEL="12")
    assert level() == 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "code", "said"),
    [("", 0, ""), ("--xla_no_such_flag=1", -signal.SIGABRT, "XLA_FLAGS: --xla_no_such_flag=1\n")],
)
def test_what_is_said_when_a_process_compiles(flags: str, code: int, said: str) -> None:
    script = """from electra_cli.environment import prepare_tensorflow
prepare_tensorflow()
import tensorflow as tf
tf.function(lambda: tf.zeros([1]) + 1.0, jit_compile=True)()
"""
    variables = {"XLA_FLAGS": flags, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | variables,
        check=False,
    )
    assert done.returncode == code
    assert done.stderr.endswith(said)
    assert done.stderr.count("\n") == said.count("\n")


def test_torch_finds_no_triton_which_would_end_the_process() -> None:
    """TensorFlow is in this process, and a torch for GPUs imports Triton where it finds it."""
    prepare_torch()
    with pytest.raises(ImportError):
        importlib.import_module("triton")
    assert importlib.util.find_spec("triton") is None

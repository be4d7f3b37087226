"""Cards as commands see them, on a machine where nvidia-smi says that there is one, in use."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.cli import options
from electra_cli.errors import ConfigError
from electra_cli.training.devices.strategy import parse_device
from tests.conftest import Electra

SMI = """\
#!/bin/sh
if [ "$1" = -L ]; then
  echo 'GPU 0: NVIDIA L4 (UUID: GPU-aa11)'
  echo 'GPU 1: NVIDIA H100 (UUID: GPU-bb22)'
  echo '  MIG 3g.40gb  Device  0: (UUID: MIG-1a)'
elif [ "${1#--query-compute-apps}" != "$1" ]; then
  echo 'GPU-aa11, 4000000, /usr/bin/python3, 20123'
fi
"""


@pytest.fixture(autouse=True)
def card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An nvidia-smi, and all that a command sets where there is a card."""
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text(SMI)
    program.chmod(0o755)
    for name, value in (
        ("PATH", f"{program.parent}:/usr/bin:/bin"),
        ("CUDA_VISIBLE_DEVICES", "0,1"),
        ("XDG_CACHE_HOME", str(tmp_path)),
        ("XLA_FLAGS", ""),
    ):
        monkeypatch.setenv(name, value)


def test_a_card_in_use_is_left_to_who_uses_it(
    electra: Electra, trained: Path, data: Path, tmp_path: Path
) -> None:
    """With --share-device all go on, up to where TensorFlow finds no card in truth."""
    evaluate = ["evaluate", trained, "--device", "gpu"]
    pretrain = ["pretrain", "--preset", "tiny", "--data", data, "--model-dir", tmp_path / "run"]
    pretrain += ["--set", "data.sequence_length=32", "--device", "gpu:GPU-aa"]
    labelled = tmp_path / "labelled.csv"
    labelled.write_text("text,label\n" + "".join(f"the {n},{n % 2}\n" for n in range(20)))
    finetune = ["finetune", trained, "--task", "classification", "--train", labelled]
    finetune += ["--dev", labelled, "--output", tmp_path / "out", "--device", "gpu"]
    finetune += ["--max-length", "64"]
    for command, name in ((evaluate, "gpu:0"), (pretrain, "GPU-aa"), (finetune, "gpu:0")):
        refused = electra(*command, "--json")
        refused.failed(75, f"{name} (NVIDIA L4) is in use: process 4000000 (python3, 20123 MiB)")
        assert "--share-device" in refused.json["error"]["hint"]
        shared = electra(*command, "--json", "--share-device")
        shared.failed(2, "TensorFlow finds no GPU: nvidia-smi lists no card")
        assert "electra doctor" in shared.json["error"]["hint"]
    assert not (tmp_path / "run" / "config.yaml").exists()
    # A look ahead uses nothing for long.
    electra(*pretrain, "--dry-run", "--json").failed(2, "TensorFlow finds no GPU")
    looked = electra(*pretrain, "--dry-run", "--device", "auto")
    assert looked.code == 0
    assert "TensorFlow finds no GPU, and the CPU is used: nvidia-smi lists" in looked.stderr


def test_the_shell_offers_cards_by_name() -> None:
    names = ["gpu:GPU-aa11", "gpu:GPU-bb22", "gpu:MIG-1a"]
    assert options.devices("gpu:G") == names[:2]
    assert options.devices("gpu:") == ["gpu:0", "gpu:0,1", *names]
    assert [parse_device(name).text for name in names] == names
    assert options.devices("g") == ["gpu", "gpu:0", "gpu:0,1"]  # nobody is asked


def test_a_name_is_looked_up_before_the_command_has_changed_anything(
    electra: Electra, trained: Path
) -> None:
    refused = electra("evaluate", trained, "--device", "gpu:GPU-cc", "--json")
    refused.failed(ConfigError.exit_code, "nvidia-smi -L lists no such card: GPU-aa11, MIG-1a")

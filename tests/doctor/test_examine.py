"""The whole of it, on this machine and with parts that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.doctor import examine as examining
from electra_cli.doctor.block import as_markdown
from electra_cli.doctor.examine import Examination, examine
from electra_cli.doctor.trial import Trial
from electra_cli.training.devices import bounded, cards
from electra_cli.training.devices.check import Check
from tests.conftest import Electra
from tests.doctor.machines import one


def test_a_probe_that_fails_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("token=abcdefghijkl")

    monkeypatch.setattr(examining, "memory_limit", fail)
    found = examine(devices=False)
    failed = one(found.checks, "this")
    assert failed.topic == "machine"
    assert "RuntimeError: token=***" in failed.found
    topics = {check.topic for check in found.checks}
    assert topics == {"versions", "machine", "accelerator", "folders", "surroundings"}


def test_an_nvidia_smi_of_this_path_is_asked(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, Tesla K80, 470.1, 11441, 3.7, [N/A]'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = electra("doctor", "--no-devices", "--json")
    assert shown.code == 1
    states = {check["name"]: check["state"] for check in shown.json["checks"]}
    assert (states["NVIDIA driver"], states["GPU 0"]) == ("problem", "problem")
    assert shown.json["problems"] == list(states.values()).count("problem")


def test_what_takes_long_is_named_on_stderr(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(cards, "SMI_SECONDS", 0.1)
    monkeypatch.setattr(bounded, "_SOON", 0.0)
    shown = electra("doctor", "--no-devices")
    assert "waiting for nvidia-smi, up to 0 s" in shown.stderr
    assert "note     NVIDIA driver: nvidia-smi did not end within 0.1 seconds" in shown.stdout


def test_a_card_that_tensorflow_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = Trial(tensorflow="2.20.0")
    monkeypatch.setattr(examining.trial, "run_trial", lambda: (trial, []))
    card = Check("accelerator", "GPU 0", "ok", "NVIDIA L4")
    monkeypatch.setattr(examining, "check_accelerator", lambda note: [card])
    found = examine(devices=True)
    assert one(found.checks, "GPU").state == "problem"
    assert found.trial is trial


def test_markdown_is_one_block_whatever_it_holds(electra: Electra) -> None:
    checks = (
        Check("t", "fine", "ok", "/home/me/x, /home/menu"),
        Check("t", "bad", "problem", "a|b <script> `c`"),
    )
    text = as_markdown(Examination(checks, (), Trial()), home="/home/me")
    lines = text.splitlines()
    assert "1 problem, 0 notes" in lines[0]
    assert lines[4] == r"| problem | t: bad | a\|b \<script\> \`c\` |"
    assert lines[5] == "| ok | t: fine | ~/x, /home/menu |"
    shown = electra("doctor", "--no-devices", "--markdown").stdout
    assert (shown.splitlines()[0][:9], shown.splitlines()[-1]) == ("<details>", "</details>")


def test_json_and_markdown_are_one_too_many(electra: Electra) -> None:
    electra("doctor", "--json", "--markdown").failed(2, "--markdown")

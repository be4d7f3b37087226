"""Cards by name, and cards that others use, on machines that are made up."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest

from electra_cli.cluster.machine.processes import ancestors
from electra_cli.errors import ConfigError, TryAgainError
from electra_cli.training.devices.bounded import Answer
from electra_cli.training.devices.cards import list_cards
from electra_cli.training.devices.claim import claim_cards, visible
from electra_cli.training.devices.strategy import parse_device

LISTED = """\
GPU 0: NVIDIA L4 (UUID: GPU-aa11)
GPU 1: NVIDIA L4 (UUID: GPU-ab22)
GPU 2: NVIDIA H100 80GB HBM3 (UUID: GPU-cc33)
  MIG 3g.40gb     Device  0: (UUID: MIG-1a)
  MIG 3g.40gb     Device  1: (UUID: MIG-2b)
"""
OTHERS = 4_000_000  # more than a process id can be


def smi(listed: str = LISTED, users: str = "") -> Callable[[Sequence[str]], Answer]:
    return lambda arguments: Answer(listed if list(arguments) == ["-L"] else users)


def claim(device: str, shown: str | None = None, *, share: bool = False, users: str = "") -> str:
    """The value of CUDA_VISIBLE_DEVICES when a device was claimed; "" for none."""
    environment = {} if shown is None else {"CUDA_VISIBLE_DEVICES": shown}
    asked = parse_device(device)
    claim_cards(asked, share=share, environment=environment, smi=smi(users=users))
    return environment.get("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(autouse=True)
def with_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the driver's files were there."""
    monkeypatch.setattr(
        "electra_cli.training.devices.claim.may_have_card", lambda environment: True
    )


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (None, ["GPU-aa11", "GPU-ab22", "MIG-1a"]),
        ("2,0", ["MIG-1a", "GPU-aa11"]),
        ("GPU-ab,0", ["GPU-ab22", "GPU-aa11"]),
        ("MIG-2b", ["MIG-2b"]),
        ("GPU-cc33", ["MIG-1a"]),
        ("1, 7, 0", ["GPU-ab22"]),  # what follows one that is not there is hidden
        ("GPU-a,0", []),  # which of both?
        ("-1", []),
        ("", []),
    ],
)
def test_cards_that_cuda_shows(shown: str | None, expected: list[str]) -> None:
    assert visible(list_cards(smi()), shown) == expected


@pytest.mark.parametrize(
    ("device", "shown", "expected"),
    [
        ("gpu:GPU-ab22", None, "GPU-ab22"),
        ("gpu:GPU-ab,GPU-aa", None, "GPU-ab22,GPU-aa11"),
        ("gpu:MIG-1", None, "MIG-1a"),
        ("gpu:gpu-ab22", None, "GPU-ab22"),
        ("gpu:GPU-c", None, "MIG-1a"),  # of a divided card the first instance
        ("gpu:GPU-ab22", "1", "GPU-ab22"),
        ("gpu:MIG-2b", "MIG-2b", "MIG-2b"),
        ("gpu:1", "1,0", "1,0"),
        ("cpu", "1", "1"),
    ],
)
def test_a_named_card_is_the_only_one(device: str, shown: str | None, expected: str) -> None:
    assert claim(device, shown) == expected


@pytest.mark.parametrize(
    ("device", "shown", "words", "hint"),
    [
        ("gpu:GPU-ab33", None, "no such card: GPU-aa11, GPU-ab22, MIG-1a, MIG-2b", "gpu:GPU-ab22"),
        ("gpu:GPU-a", None, "several begin so: GPU-aa11, GPU-ab22", "--device gpu:GPU-a"),
        ("gpu:GPU-ab22", "0,2", "CUDA_VISIBLE_DEVICES='0,2' hides it", "unset CUDA_VISIBLE"),
        ("gpu:MIG-2b", "2", "CUDA_VISIBLE_DEVICES='2' hides it", "unset CUDA_VISIBLE_DEVICES"),
        ("gpu:GPU-aa11", "", "CUDA_VISIBLE_DEVICES='' hides it", "unset CUDA_VISIBLE_DEVICES"),
        ("gpu:GPU-aa,GPU-aa1", None, "names a GPU twice", "--device gpu:GPU-aa11"),
        ("gpu:GPU-cc,GPU-aa", None, "one instance of a divided card", "--device gpu:MIG-1a"),
    ],
)
def test_a_name_that_cannot_be_used(device: str, shown: str | None, words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        claim(device, shown)
    assert words in caught.value.message
    assert hint in caught.value.hint


def test_without_nvidia_smi_cuda_decides_whether_a_card_is_there() -> None:
    environment: dict[str, str] = {}
    missing = Answer("", "cannot be started", False)
    device = parse_device("gpu:GPU-1")
    claim_cards(device, share=False, environment=environment, smi=lambda arguments: missing)
    assert environment == {"CUDA_VISIBLE_DEVICES": "GPU-1"}


@pytest.mark.parametrize(
    ("device", "shown", "busy"),
    [
        ("gpu:0", None, ""),
        ("gpu", None, ""),
        ("gpu:1", None, "gpu:1 (NVIDIA L4)"),
        ("gpu:0,1", None, "gpu:1 (NVIDIA L4)"),
        ("auto", None, "gpu:1 (NVIDIA L4)"),
        ("mirrored", "0", ""),
        ("gpu", "1", "gpu:0 (NVIDIA L4)"),  # counted within the variable
        ("gpu:GPU-ab", None, "GPU-ab (NVIDIA L4)"),
        ("gpu:MIG-1a", None, ""),  # instances of a card have memory of their own
        ("gpu:7", None, ""),  # another error is its own
        ("cpu", None, ""),
    ],
)
def test_a_card_that_another_process_uses(device: str, shown: str | None, busy: str) -> None:
    users = f"GPU-ab22, {OTHERS}, /usr/bin/python3, 20123\nGPU-cc33, {OTHERS}, a, b, [N/A]\n"
    claim(device, shown, share=True, users=users)
    if not busy:
        claim(device, shown, users=users)
        return
    with pytest.raises(TryAgainError) as caught:
        claim(device, shown, users=users)
    assert caught.value.message == f"{busy} is in use: process {OTHERS} (python3, 20123 MiB)"
    assert "--share-device" in caught.value.hint
    assert ("--device gpu:0, or" in caught.value.hint) == (shown is None and ":G" not in device)


def test_numbers_that_only_cuda_knows() -> None:
    """By speed the H100 comes first, and it is not the card that another process uses."""
    users = f"GPU-aa11, {OTHERS}, python3, 1\n"
    order = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}
    claim_cards(parse_device("gpu:0"), share=False, environment=order, smi=smi(users=users))
    named = parse_device("gpu:GPU-aa11")
    with pytest.raises(TryAgainError):
        claim_cards(named, share=False, environment=order, smi=smi(users=users))


@pytest.mark.parametrize(
    "users",
    [
        "GPU-aa11, {own}, python3, 100\n",
        "GPU-aa11, {parent}, python3, [N/A]\n",  # who has started this
        "No running processes found\n",
        "GPU-aa11, [Insufficient Permissions], [Insufficient Permissions], 5\n",
    ],
)
def test_what_is_no_other_process(users: str) -> None:
    claim("gpu:0", users=users.format(own=os.getpid(), parent=os.getppid()))


def test_ancestors_end_with_the_first_process() -> None:
    assert ancestors(os.getpid())[:2] == [os.getpid(), os.getppid()]
    assert ancestors(OTHERS) == [OTHERS]

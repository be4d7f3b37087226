"""Cards, drivers and CUDA's libraries of machines that are not this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.training.devices.accelerator import (
    built_for,
    check_cards,
    check_compiler,
    check_libraries,
    check_users,
    has_driver,
)
from electra_cli.training.devices.bounded import Answer
from electra_cli.training.devices.cards import Listed, User, look
from electra_cli.training.devices.libraries import (
    DRIVER,
    Loaded,
    driver_result,
    libraries_of,
    load,
    results,
    wanted_libraries,
)
from tests.doctor.machines import L4, one, smi, states, write

BUS = {
    "sys/bus/pci/devices/0000:01:00.0/vendor": "0x10de\n",
    "sys/bus/pci/devices/0000:01:00.0/class": "0x030200\n",
    "sys/bus/pci/devices/0000:02:00.0/vendor": "0x10de\n",  # a network card of theirs
    "sys/bus/pci/devices/0000:02:00.0/class": "0x020000\n",
}
KERNEL = {
    "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.95.05  Tue\n"
}
NODES = {"dev/nvidia0": "", "dev/nvidiactl": ""}
NO_SMI = smi(failure="is missing", is_there=False)
MIG = "0, NVIDIA H100, 580.95.05, 81559, 9.0, Enabled"
MIG_LISTED = "GPU 0: NVIDIA H100 (UUID: GPU-1)\n  MIG 3g.40gb Device 0: (UUID: MIG-1)\n"


@pytest.mark.parametrize(
    ("files", "answer", "environment", "name", "state", "words"),
    [
        ({}, NO_SMI, {}, "NVIDIA driver", "note", "no NVIDIA card and no driver"),
        ({}, smi(failure="hung"), {}, "NVIDIA driver", "note", "nvidia-smi hung, and there is no"),
        ({}, smi("No devices were found\n"), {}, "NVIDIA driver", "note",
         "nvidia-smi lists no card; it says 'No devices were found', and there is no"),
        ({}, smi("oh, this, is, bad"), {}, "NVIDIA driver", "note", "it says 'oh, this, is, bad'"),
        (BUS, NO_SMI, {}, "NVIDIA driver", "problem", "1 NVIDIA card on the bus, but no driver in "
         "the kernelinstall"),
        (BUS, smi(failure="hung"), {}, "NVIDIA driver", "problem", "kernel; nvidia-smi hung"),
        (BUS | KERNEL, NO_SMI, {}, "NVIDIA driver", "problem", "no cardstart the container"),
        (BUS | KERNEL, smi(failure="hung"), {}, "NVIDIA driver", "problem", "d; nvidia-smi hung"),
        (BUS | KERNEL | NODES, smi(), {}, "NVIDIA driver", "problem",
         "in the kernel, but nvidia-smi lists no card, and says nothing"),
        (BUS | KERNEL | NODES, NO_SMI, {}, "NVIDIA driver", "problem", "but nvidia-smi is missing"),
        (BUS | KERNEL | NODES, smi(failure="ended with 18: mismatch"), {}, "NVIDIA driver",
         "problem", "580.95.05 is in the kernel, but nvidia-smi ended with 18: mismatch"),
        ({}, smi(L4), {}, "NVIDIA driver", "ok", "580.95.05, 1 card"),
        ({}, smi("0, Tesla T4, 470.1, 15360"), {}, "NVIDIA driver", "problem", "525.60.13"),
        ({}, smi(L4), {}, "GPU 0", "ok", "NVIDIA L4, 23034 MiB, compute capability 8.9"),
        ({}, smi("0, Tesla T4, 580.1, 1, 7.5, [N/A]"), {}, "GPU 0", "ok", "no bfloat16"),
        ({}, smi("0, Tesla K80, 580.1, 1, 3.7, [N/A]"), {}, "GPU 0", "problem", "built for 6.0"),
        ({}, smi("0, RTX 5090, 580.1, 1, 12.0, [N/A]"), {}, "GPU 0", "note", "CUDA_CACHE_MAXSIZE"),
        ({}, smi(MIG), {}, "MIG", "problem", "no card has an instance"),
        ({}, smi(MIG, MIG_LISTED), {}, "MIG", "note", "1 instance"),
        ({}, smi(L4), {"CUDA_VISIBLE_DEVICES": ""}, "hidden GPUs", "note", "unset CUDA_VISIBLE"),
        ({}, smi(L4), {"CUDA_VISIBLE_DEVICES": "-1"}, "hidden GPUs", "note", "hides every GPU"),
        ({}, smi(L4), {"CUDA_VISIBLE_DEVICES": "0,3"}, "hidden GPUs", "problem", "no GPU 3"),
        ({}, smi(L4), {"CUDA_VISIBLE_DEVICES": "GPU-7,0"}, "hidden GPUs", "problem", "GPU-7"),
        ({}, smi(L4), {"CUDA_VISIBLE_DEVICES": "0"}, "hidden GPUs", "ok", "'0'"),
        ({}, smi(L4), {"CUDA_VISIBLE_DEVICES": "GPU-"}, "hidden GPUs", "ok", "'GPU-'"),
        ({}, smi(L4), {"NVIDIA_VISIBLE_DEVICES": "void"}, "hidden GPUs", "note", "unset NVIDIA"),
    ],
)  # fmt: skip
def test_cards(
    tmp_path: Path, files: dict, answer: object, environment: dict, name: str, state: str,
    words: str,
) -> None:  # fmt: skip
    seen = look(write(tmp_path, files), answer)
    check = one(list(check_cards(seen, environment)), name)
    assert check.state == state
    assert words in check.found + check.advice
    assert has_driver(seen) == bool(seen.cards)


def test_an_older_nvidia_smi_is_asked_for_less(tmp_path: Path) -> None:
    def old(arguments):
        known = "compute_cap" not in arguments[0]
        return Answer("0, Tesla T4, 460.1, 15360\n") if known else Answer("", "ended with 2")

    (card,) = look(tmp_path, old).cards
    assert (card.name, card.capability, card.mig) == ("Tesla T4", None, False)


def test_the_names_of_libraries_follow_from_what_tensorflow_requires() -> None:
    wanted = libraries_of(
        [
            "numpy>=1.26",
            "nvidia-cufft-cu13<13.0,>=12.0.0.61; extra == 'and-cuda'",
            "nvidia-cublas-cu13<14.0,>=13.0; extra == 'and-cuda'",
            "nvidia-curand-cu13>=10.4; extra == 'and-cuda'",
        ]
    )
    assert [library.file for library in wanted] == [
        "libcufft.so.12", "libcublas.so.13", "libcublasLt.so.13",
    ]  # fmt: skip


def test_the_libraries_of_the_tested_tensorflow() -> None:
    """Those that LD_DEBUG=libs showed it look for, with a stand-in for the driver in its way."""
    needed = {library.file for library in wanted_libraries() if library.needed}
    assert needed == {
        "libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12", "libcufft.so.11",
        "libcusolver.so.11", "libcusparse.so.12", "libcudnn.so.9",
    }  # fmt: skip
    assert built_for() == [(6, 0), (7, 0), (8, 0), (8, 9), (9, 0)]


def libraries(
    missing: dict[str, str], *, driver: bool = True, untold: tuple = (), folder: str = ""
) -> list:
    wanted = wanted_libraries()
    files = [DRIVER, *(library.file for library in wanted)]
    loaded = {file: Loaded(folder + file, missing.get(file, "")) for file in files}
    told = {file: one for file, one in loaded.items() if file not in untold}
    failure = "was ended by SIGBUS" if untold else ""
    return list(check_libraries(wanted, told, has_driver=driver, failure=failure, version="2.20.0"))


def test_all_libraries_are_there() -> None:
    assert states(libraries({})) == {"CUDA libraries": "ok"}


def test_the_one_that_is_missing_is_named_with_its_package() -> None:
    (check,) = libraries({"libcudnn.so.9": "libcudnn.so.9: cannot open shared object file"})
    assert (check.name, check.state) == ("libcudnn.so.9", "problem")
    assert "pip install 'nvidia-cudnn-cu12<10.0,>=9.3.0.75'" in check.advice
    assert "pip install 'tensorflow[and-cuda]==2.20.0'" in check.advice


def test_none_is_there() -> None:
    missing = {library.file: "no" for library in wanted_libraries()}
    check = one(libraries(missing), "CUDA libraries")
    assert (check.state, check.advice) == (
        "problem",
        "pip install 'tensorflow[and-cuda]==2.20.0'",
    )
    assert states(libraries(missing, driver=False)) == {"CUDA libraries": "ok"}


def test_what_only_some_need_is_a_note() -> None:
    checks = libraries({"libnccl.so.2": "no"})
    assert states(checks) == {"CUDA libraries": "ok", "libnccl.so.2": "note"}
    assert "several GPUs" in one(checks, "libnccl.so.2").found


def test_a_driver_that_does_not_start() -> None:
    checks = libraries({DRIVER: driver_result(803)})
    assert "different versions" in one(checks, DRIVER).found
    assert driver_result(0) == ""


def test_one_that_is_there_and_cannot_be_loaded_is_installed_again() -> None:
    (check,) = libraries({"libcudnn.so.9": "file too short"}, folder="/packages/")
    assert check.advice.startswith("pip install --force-reinstall --no-deps 'nvidia-cudnn-cu12<")


def test_one_that_ends_the_process_is_the_only_one_to_blame() -> None:
    (check,) = libraries({}, untold=("libcudnn.so.9", "libcufft.so.11"))
    assert (check.name, check.state) == ("libcudnn.so.9", "problem")
    assert "damaged: the process that loads it was ended by SIGBUS" in check.found
    assert "--force-reinstall" in check.advice


def test_loading(tmp_path: Path) -> None:
    (tmp_path / "libcudnn.so.9").write_bytes(b"\x7fELF")
    assert load("libc.so.6", []) == Loaded("libc.so.6")
    assert "cannot open" in load("libnothing.so.1", [tmp_path]).error
    damaged = load("libcudnn.so.9", [tmp_path])
    assert damaged.path == str(tmp_path / "libcudnn.so.9")
    assert "too short" in damaged.error


def test_what_was_told_before_the_process_ended_is_kept() -> None:
    line = '{"file": "a", "path": "/a", "error": ""}'
    assert results(f"{line}\nnoise\n{line[:9]}") == {"a": Loaded("/a")}


@pytest.mark.parametrize(
    ("files", "on_path", "driver", "state"),
    [
        ({}, None, False, "ok"),
        ({}, None, True, "problem"),
        ({}, "/usr/local/cuda/bin/ptxas", True, "ok"),
        ({"bin/ptxas": "", "nvvm/libdevice/libdevice.10.bc": ""}, None, True, "ok"),
        ({"bin/ptxas": ""}, None, True, "problem"),
    ],
)
def test_compiler(
    tmp_path: Path, files: dict, on_path: str | None, driver: bool, state: str
) -> None:
    write(tmp_path, files)
    assert check_compiler([tmp_path], on_path, has_driver=driver).state == state


def test_who_computes_on_a_card() -> None:
    cards = [Listed("NVIDIA L4", "GPU-1"), Listed("NVIDIA L4", "GPU-2")]
    users = [User("GPU-2", 7, "/usr/bin/python3", "512"), User("GPU-2", 9, "electra", "")]
    (check,) = check_users(cards, users)
    assert (check.name, check.state) == ("GPU 1 in use", "note")
    assert check.found == "process 7 (python3, 512 MiB), process 9 (electra)"
    assert "--share-device" in check.advice

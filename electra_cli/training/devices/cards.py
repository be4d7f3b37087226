"""The NVIDIA cards of a machine: what the bus, the kernel and nvidia-smi say of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from electra_cli.training.devices.bounded import Answer, ask

_VERSION = re.compile(r"\d+(\.\d+)+")
_VENDOR = "0x10de"
_DISPLAY = "0x03"  # the class of graphics cards and 3D controllers on the bus
_FIELDS = ("index", "name", "driver_version", "memory.total", "compute_cap", "mig.mode.current")
# What an older nvidia-smi does not know either is left out.
_FEWER = _FIELDS[:4]
_QUOTED = 80  # characters
SMI_SECONDS = 20.0  # a machine with eight cards whose driver sleeps takes some

Smi = Callable[[Sequence[str]], Answer]


@dataclass(frozen=True)
class Card:
    """One card, as nvidia-smi lists it.

    Attributes:
      name: Such as "NVIDIA L4".
      driver: The version of its driver.
      memory: In MiB, as text.
      capability: Such as (8, 9); None if an old driver does not tell.
      mig: It is divided into instances.
    """

    name: str
    driver: str
    memory: str
    capability: tuple[int, int] | None
    mig: bool


@dataclass(frozen=True)
class Listed:
    """A card as `nvidia-smi -L` names it.

    Attributes:
      name: Such as "NVIDIA L4".
      uuid: Its own name, GPU-….
      instances: Those of the instances that it is divided into, MIG-….
    """

    name: str
    uuid: str
    instances: tuple[str, ...] = ()


@dataclass(frozen=True)
class Seen:
    """What is seen of cards.

    Attributes:
      on_bus: Cards of NVIDIA on the bus.
      kernel_driver: The version of the driver in the kernel; None without one.
      device_files: The driver's files in /dev, such as nvidia0.
      cards: What nvidia-smi lists.
      listed: The same by their own names, with the instances of divided ones.
      failure: Why nvidia-smi lists none, behind its name; empty if it does.
      has_smi: There is an nvidia-smi.
    """

    on_bus: int
    kernel_driver: str | None
    device_files: tuple[str, ...]
    cards: tuple[Card, ...]
    listed: tuple[Listed, ...]
    failure: str
    has_smi: bool


@dataclass(frozen=True)
class User:
    """A process that computes on a card.

    Attributes:
      uuid: The card.
      pid: The process.
      program: Its program.
      memory: The card's memory that it has, in MiB, as text; empty if nobody tells.
    """

    uuid: str
    pid: int
    program: str
    memory: str

    def __str__(self) -> str:
        memory = f", {self.memory} MiB" if self.memory else ""
        return f"process {self.pid} ({Path(self.program).name}{memory})"


def nvidia_smi(arguments: Sequence[str], slow: Callable[[], object] = lambda: None) -> Answer:
    """Runs it; `slow` is called if it does not answer soon."""
    return ask(["nvidia-smi", *arguments], seconds=SMI_SECONDS, slow=slow)


def list_cards(smi: Smi) -> list[Listed]:
    """The cards in the order of the bus; none where nvidia-smi does not tell."""
    found: list[Listed] = []
    for line in smi(["-L"]).stdout.splitlines():
        if card := re.match(r"GPU \d+: (.+) \(UUID: (GPU-\S+)\)", line):
            found.append(Listed(card[1], card[2]))
        elif found and (instance := re.match(r"\s+MIG .+\(UUID: (MIG-\S+)\)", line)):
            found[-1] = replace(found[-1], instances=(*found[-1].instances, instance[1]))
    return found


def visible(cards: Sequence[Listed], shown: str | None) -> list[str]:
    """The names of the cards that CUDA shows, in its order.

    Of a divided card it shows the first instance, unless others are named. A name or number that is
    not there hides what follows.

    Args:
      cards: All cards, in the order of the bus.
      shown: The value of CUDA_VISIBLE_DEVICES; None without one.
    """
    usable = [(card.instances or (card.uuid,))[0] for card in cards]
    if shown is None:
        return usable
    found: list[str] = []
    for one in (part.strip() for part in shown.split(",")):
        number = int(one) if one.isdecimal() else len(cards)
        names = usable[number : number + 1] or beginning(one, cards)
        if len(names) != 1:
            break
        found += names
    return found


def beginning(name: str, cards: Sequence[Listed]) -> list[str]:
    """The names of cards and instances that begin so; for a divided card that of its first one."""
    of_cards = [(card.instances or (card.uuid,))[0] for card in cards if card.uuid.startswith(name)]
    instances = [one for card in cards for one in card.instances if one.startswith(name)]
    return of_cards + instances if name else []


def users_of(smi: Smi) -> list[User]:
    """The processes that compute on cards; none where nvidia-smi does not tell, as in containers.

    A process on an instance of a divided card is listed with the whole card.
    """
    fields = "gpu_uuid,pid,process_name,used_memory"
    answer = smi([f"--query-compute-apps={fields}", "--format=csv,noheader,nounits"])
    rows = re.findall(r"^(GPU-\S+), (\d+), (.*), (.*?)\s*$", answer.stdout, re.MULTILINE)
    return [
        User(uuid, int(pid), program, memory if memory.isdecimal() else "")
        for uuid, pid, program, memory in rows
    ]


def look(root: Path, smi: Smi) -> Seen:
    """Looks at cards.

    Args:
      root: The folder with /proc, /sys and /dev.
      smi: Runs nvidia-smi with arguments.
    """
    answer = smi([f"--query-gpu={','.join(_FIELDS)}", "--format=csv,noheader,nounits"])
    if answer.failure.startswith("ended"):  # not where it hangs, or is not there
        older = smi([f"--query-gpu={','.join(_FEWER)}", "--format=csv,noheader,nounits"])
        answer = answer if older.failure else older
    cards = () if answer.failure else tuple(_cards(answer.stdout))
    failure = answer.failure
    if not cards and not failure:
        said = answer.stdout.strip().partition("\n")[0][:_QUOTED]
        failure = f"lists no card; it says {said!r}" if said else "lists no card, and says nothing"
    return Seen(
        on_bus=sum(_is_card(device) for device in root.glob("sys/bus/pci/devices/*")),
        kernel_driver=_kernel_driver(root / "proc/driver/nvidia/version"),
        device_files=tuple(sorted(path.name for path in root.glob("dev/nvidia*"))),
        cards=cards,
        listed=tuple(list_cards(smi)) if cards else (),
        failure=failure,
        has_smi=answer.is_there,
    )


def _cards(text: str) -> list[Card]:
    rows = [
        [cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()
    ]
    found = []
    for row in rows:
        if len(row) < len(_FEWER) or not (row[0].isdecimal() and _VERSION.fullmatch(row[2])):
            continue  # a sentence
        capability, mig = [*row[4:6], "", ""][:2]
        match = re.fullmatch(r"(\d+)\.(\d+)", capability)
        version = (int(match[1]), int(match[2])) if match else None
        found.append(Card(row[1], row[2], row[3], version, mig == "Enabled"))
    return found


def _is_card(device: Path) -> bool:
    try:
        vendor, kind = ((device / name).read_text("ascii") for name in ("vendor", "class"))
    except (OSError, ValueError):
        return False
    return vendor.strip() == _VENDOR and kind.startswith(_DISPLAY)


def _kernel_driver(file: Path) -> str | None:
    with suppress(OSError):
        found = re.search(r"\b(\d{3,}\.\d+[.\d]*)\b", file.read_text("utf-8", "replace"))
        return found[1] if found else "of an unknown version"
    return None

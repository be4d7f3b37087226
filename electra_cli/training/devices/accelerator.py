"""Why TensorFlow has a GPU, or has none: cards, driver, libraries, and what hides them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import util
from pathlib import Path

from electra_cli.environment import hides_cards
from electra_cli.errors import counted, listed
from electra_cli.training.devices.cards import Card, Listed, Seen, User, visible
from electra_cli.training.devices.check import Check, State
from electra_cli.training.devices.failures import COMPILER
from electra_cli.training.devices.libraries import DRIVER, USES, Library, Loaded

TOPIC = "accelerator"

# The oldest driver for Linux that any CUDA 12 runs on (CUDA release notes, minor version
# compatibility).
_OLDEST_DRIVER = (525, 60, 13)
_BFLOAT16 = (8, 0)  # the compute capability from which on cards multiply it
_ALL = "pip install 'tensorflow[and-cuda]=={version}'"

HIDDEN = "hidden GPUs"
UNUSED = Check(
    TOPIC,
    "GPU",
    "problem",
    "nvidia-smi lists a card, and TensorFlow uses none",
    "TF_CPP_MIN_LOG_LEVEL=0 electra pretrain --preset tiny --dry-run says why",
)


def check_cards(seen: Seen, environment: Mapping[str, str]) -> Iterator[Check]:
    """Cards, driver and what hides them.

    Args:
      seen: What `cards.look` saw.
      environment: The variables.
    """
    yield _driver(seen)
    for number, card in enumerate(seen.cards):
        yield _card(number, card)
    if any(card.mig for card in seen.cards):
        yield _instances(seen)
    yield from _hidden(seen, environment)


def check_users(cards: Sequence[Listed], users: Sequence[User]) -> Iterator[Check]:
    """Who computes on which card.

    Args:
      cards: All of them, in their order.
      users: The processes that nvidia-smi tells of.
    """
    for number, card in enumerate(cards):
        if found := [str(user) for user in users if user.uuid == card.uuid]:
            advice = "commands refuse it: wait, take another one, or add --share-device"
            yield Check(TOPIC, f"GPU {number} in use", "note", listed(found), advice)


def has_driver(seen: Seen) -> bool:
    """Whether a driver answers: then a GPU is there to be used."""
    return bool(seen.cards)


def _driver(seen: Seen) -> Check:
    name = "NVIDIA driver"
    if seen.cards:
        version = seen.cards[0].driver
        old = _numbers(version) < _OLDEST_DRIVER
        advice = f"install a driver of at least {'.'.join(map(str, _OLDEST_DRIVER))}"
        found = f"{version}, {counted(len(seen.cards), 'card')}"
        if old:
            return Check(TOPIC, name, "problem", f"{found}; too old for CUDA 12", advice)
        return Check(TOPIC, name, "ok", found)
    smi = f"nvidia-smi {seen.failure}"
    besides = f"; {smi}" if seen.has_smi else ""
    if seen.kernel_driver is not None and not _nodes(seen):
        return Check(
            TOPIC,
            name,
            "problem",
            f"{seen.kernel_driver} is in the kernel, but this container was given no card{besides}",
            "start the container with --gpus all (Kubernetes: a limit of nvidia.com/gpu)",
        )
    if seen.kernel_driver is not None:
        advice = "nvidia-smi; after an update of the driver the machine must be started again"
        found = f"{seen.kernel_driver} is in the kernel, but {smi}"
        return Check(TOPIC, name, "problem", found, advice)
    if seen.on_bus:
        cards = f"{counted(seen.on_bus, 'NVIDIA card')} on the bus, but no driver in the kernel"
        advice = "install NVIDIA's driver; then nvidia-smi"
        return Check(TOPIC, name, "problem", f"{cards}{besides}", advice)
    if seen.has_smi:
        found = f"{smi}, and there is no other sign of an NVIDIA card: the CPU trains"
        advice = "nvidia-smi; where there should be a card, install NVIDIA's driver anew"
        return Check(TOPIC, name, "note", found, advice)
    return Check(TOPIC, name, "note", "no NVIDIA card and no driver: the CPU trains")


def _nodes(seen: Seen) -> list[str]:
    return [name for name in seen.device_files if re.fullmatch(r"nvidia\d+", name)]


def _card(number: int, card: Card) -> Check:
    found = f"{card.name}, {card.memory} MiB"
    if card.capability is None:
        return Check(TOPIC, f"GPU {number}", "ok", found)
    capability = ".".join(map(str, card.capability))
    found = f"{found}, compute capability {capability}"
    built = built_for()
    if built and card.capability < built[0]:
        return Check(
            TOPIC,
            f"GPU {number}",
            "problem",
            f"{found}; this TensorFlow is built for {'.'.join(map(str, built[0]))} and later",
            "--device cpu, or another card",
        )
    if built and card.capability[0] > built[-1][0]:
        advice = "let it: export CUDA_CACHE_MAXSIZE=4294967296 keeps what was compiled"
        found = f"{found}; newer than this TensorFlow, whose kernels the driver compiles first"
        return Check(TOPIC, f"GPU {number}", "note", found, advice)
    does = "multiplies bfloat16" if card.capability >= _BFLOAT16 else "has no bfloat16: float32"
    return Check(TOPIC, f"GPU {number}", "ok", f"{found}, {does}")


def _instances(seen: Seen) -> Check:
    count = sum(len(card.instances) for card in seen.listed)
    if not count:
        advice = "sudo nvidia-smi mig -cgi 0 -C makes one; sudo nvidia-smi -mig 0 turns it off"
        return Check(TOPIC, "MIG", "problem", "is on, and no card has an instance", advice)
    found = f"is on: {counted(count, 'instance')}; a process uses one of them"
    return Check(TOPIC, "MIG", "note", found, "nvidia-smi -L; --device gpu:MIG-…")


def _hidden(seen: Seen, environment: Mapping[str, str]) -> Iterator[Check]:
    for name in ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES"):
        value = environment.get(name)
        if value is None:
            continue
        text = f"{name}={value!r}"
        names = value.split(",")
        seen_by_cuda = visible(seen.listed, value) if name.startswith("CUDA") else names
        if hides_cards(value):
            state, found = "note", f"{text} hides every GPU"
        elif seen.listed and len(seen_by_cuda) < len(names):
            first = names[len(seen_by_cuda)].strip()
            state = "problem"
            found = f"{text}: there is no GPU {first}, and what follows it is hidden"
        else:
            yield Check(TOPIC, HIDDEN, "ok", f"{text} chooses GPUs")
            continue
        yield Check(TOPIC, HIDDEN, state, found, f"unset {name}")  # type: ignore[arg-type]


def check_libraries(
    wanted: Sequence[Library],
    loaded: Mapping[str, Loaded],
    *,
    has_driver: bool,
    failure: str = "",
    version: str = "",
) -> Iterator[Check]:
    """CUDA's libraries, one by one where something is missing.

    Args:
      wanted: What TensorFlow wants.
      loaded: What loading each came to; one that is not there ended the process that tried.
      has_driver: There is a GPU that needs them.
      failure: How that process ended.
      version: Of TensorFlow, for the command that installs everything.
    """
    if not wanted:
        found = "this TensorFlow names none: it is built for CPUs, or is not installed"
        yield Check(TOPIC, "CUDA libraries", "problem" if has_driver else "note", found)
        return
    missing = dict(_missing(wanted, loaded, failure))
    needed = [library for library in missing if library.needed]
    everything = _ALL.format(version=version) if version else "pip install 'tensorflow[and-cuda]'"
    if not has_driver:
        there = [library.file for library in wanted if library not in missing]
        text = listed(there, 9) if there else "none, and without a GPU none is needed"
        yield Check(TOPIC, "CUDA libraries", "ok", text)
        return
    if DRIVER in loaded and (error := loaded[DRIVER].error):
        advice = "nvidia-smi; a container needs NVIDIA_DRIVER_CAPABILITIES=compute,utility"
        yield Check(TOPIC, DRIVER, "problem", error, advice)
    if len(needed) == sum(library.needed for library in wanted):
        names = listed([library.file for library in needed], 9)
        found = f"TensorFlow can load none of {names}"
        yield Check(TOPIC, "CUDA libraries", "problem", found, everything)
        return
    if not needed:
        count = sum(library.needed for library in wanted)
        text = f"all {count} that TensorFlow needs can be loaded"
        yield Check(TOPIC, "CUDA libraries", "ok", text)
    for library, (error, is_there) in missing.items():
        again = "--force-reinstall --no-deps " if is_there else ""
        advice = f"pip install {again}'{library.package}', or all of them: {everything}"
        use = next((f"; {use}" for name, use in USES.items() if name in library.file), "")
        state: State = "problem" if library.needed else "note"
        yield Check(TOPIC, library.file, state, f"{error}{use}", advice)


def _missing(
    wanted: Sequence[Library], loaded: Mapping[str, Loaded], failure: str
) -> Iterator[tuple[Library, tuple[str, bool]]]:
    """What cannot be loaded, why, and whether its file is there all the same."""
    for library in wanted:
        told = loaded.get(library.file)
        if told is None:  # those after it were not tried
            yield library, (f"is damaged: the process that loads it {failure or 'ended'}", True)
            return
        if told.error:
            yield library, (told.error, told.path != library.file)


def check_compiler(folders: Sequence[Path], on_path: str | None, *, has_driver: bool) -> Check:
    """What XLA compiles with: ptxas and libdevice, both of the package nvidia-cuda-nvcc.

    Args:
      folders: The `nvidia/*` folders of packages.
      on_path: Where PATH has a ptxas.
      has_driver: There is a GPU.
    """
    name = "XLA's compiler"
    here = next((path for one in folders if (path := one / "bin/ptxas").is_file()), None)
    bits = any((one / "nvvm/libdevice/libdevice.10.bc").is_file() for one in folders)
    if not has_driver:
        return Check(TOPIC, name, "ok", "not needed without a GPU")
    if here and bits:
        return Check(TOPIC, name, "ok", str(here))
    if on_path:
        return Check(TOPIC, name, "ok", on_path)
    return Check(
        TOPIC,
        name,
        "problem",
        "no ptxas and libdevice: a GPU's step is compiled as a whole by default",
        f"pip install {COMPILER}, or train with --no-xla",
    )


def built_for(package: str = "tensorflow") -> list[tuple[int, int]]:
    """The compute capabilities that TensorFlow has code for, lowest first; read, not imported.

    Empty where its build does not say.
    """
    spec = util.find_spec(package)
    if spec is None or spec.origin is None:
        return []
    file = Path(spec.origin).parent / "python/platform/build_info.py"
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    found = [re.fullmatch(r"(?:sm|compute)_(\d+)(\d)", text) for text in texts]
    return sorted((int(match[1]), int(match[2])) for match in found if match)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))

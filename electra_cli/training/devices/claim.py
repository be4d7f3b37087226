"""Which cards a command takes: those that are named become the only ones it sees, and those that
another process computes on are left to it.

Nothing here starts a card: all of it is what nvidia-smi says, and where that says nothing the
command goes on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping, Sequence
from typing import TYPE_CHECKING

from electra_cli.cluster.machine.processes import ancestors
from electra_cli.config.nearest import nearest
from electra_cli.environment import may_have_card
from electra_cli.errors import ConfigError, TryAgainError, listed
from electra_cli.training.devices.cards import (
    Listed,
    Smi,
    User,
    beginning,
    list_cards,
    nvidia_smi,
    users_of,
    visible,
)

if TYPE_CHECKING:
    from electra_cli.training.devices.strategy import Device

_VISIBLE, _ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"


def each_once(text: str, parts: Sequence[str]) -> tuple[str, ...]:
    """The GPUs that `--device` asks for.

    Args:
      text: All of it.
      parts: The GPUs by number or name.

    Raises:
      ConfigError: One is there twice, or beside an instance of a divided card.
    """
    once = tuple(dict.fromkeys(parts))
    if len(once) < len(parts):
        raise ConfigError(
            f"device {text!r} names a GPU twice", hint=f"--device gpu:{','.join(once)}"
        )
    if len(once) > 1 and any(part.startswith("MIG-") for part in once):
        raise ConfigError(
            f"device {text!r}: a process uses one instance of a divided card, and nothing else",
            hint=f"--device gpu:{once[0]}",
        )
    return once


def claim_cards(
    device: Device,
    *,
    share: bool,
    environment: MutableMapping[str, str] = os.environ,
    smi: Smi = nvidia_smi,
) -> None:
    """To be called before CUDA starts, which reads CUDA_VISIBLE_DEVICES once.

    Args:
      device: What `--device` asks for.
      share: Also take cards that other processes compute on.
      environment: The variables; cards that are named are put there.
      smi: Runs nvidia-smi with arguments.

    Raises:
      ConfigError: A card that is named is not there, or the variable hides it.
      TryAgainError: Another process computes on one of the cards.
    """
    if not device.names and not may_have_card(environment):
        return
    cards = list_cards(smi)
    if device.names:
        names = [_whole_name(device, name, cards, environment) for name in device.names]
        environment[_VISIBLE] = ",".join(each_once(device.text, names))
    elif environment.get(_ORDER, "PCI_BUS_ID") != "PCI_BUS_ID" and len({c.name for c in cards}) > 1:
        return  # which number is which card, only CUDA knows
    if share:
        return
    seen = visible(cards, environment.get(_VISIBLE))
    own = ancestors(os.getpid())
    users = {user.uuid: user for user in users_of(smi) if user.pid not in own} if seen else {}
    for index in device.gpus(len(seen)):
        if index < len(seen) and (user := users.get(seen[index])):
            card = next(card.name for card in cards if card.uuid == user.uuid)
            free = [n for n, one in enumerate(seen) if one not in users and not device.names]
            name = device.names[index] if device.names else f"gpu:{index}"
            raise _busy(f"{name} ({card})", user, free)


def _whole_name(
    device: Device, name: str, cards: Sequence[Listed], environment: Mapping[str, str]
) -> str:
    if not cards:  # then CUDA decides whether it is there
        return name
    found, shown = beginning(name, cards), environment.get(_VISIBLE)
    if len(found) != 1:
        names = found or [one for card in cards for one in (card.instances or (card.uuid,))]
        better = nearest(name, names) or names[0]
        what = "several begin so" if found else "nvidia-smi -L lists no such card"
        raise ConfigError(
            f"device {device.text!r}: {what}: {listed(names, 8)}",
            hint=f"--device gpu:{','.join(better if n == name else n for n in device.names)}",
        )
    if shown is not None and found[0] not in visible(cards, shown):
        raise ConfigError(
            f"device {device.text!r}: {_VISIBLE}={shown!r} hides it", hint=f"unset {_VISIBLE}"
        )
    return found[0]


def _busy(card: str, user: User, free: Sequence[int]) -> TryAgainError:
    another = f"--device gpu:{free[0]}, or " if free else ""
    return TryAgainError(
        f"{card} is in use: {user}",
        hint=f"wait until it has ended, or {another}--share-device if both fit into its memory",
    )

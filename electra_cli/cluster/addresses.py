"""The addresses of a cluster's workers, and which of them is this one."""

from __future__ import annotations

import ipaddress
import json
import re
from dataclasses import dataclass

from electra_cli.errors import ConfigError

# Names of machines: wider than the rules of DNS, since Slurm and Kubernetes have names with "_".
_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?")
_ADDRESS = re.compile(r"(?:\[(?P<ipv6>[^][]*)\]|(?P<name>[^][:]*)):(?P<port>[0-9]{1,5})", re.A)
_LAST_PORT = 65535
_TO_MEETING = 18  # ports from the chief's to the meeting's: a step nobody takes by hand
_FORMS = "an address is host:port, and with IPv6 [address]:port"


@dataclass(frozen=True)
class Cluster:
    """Workers that train one model together; worker 0 is the chief.

    Args:
      addresses: host:port of each worker, in the order of their numbers.
      index: Which of them this one is.
      origin: Where the addresses were found, such as TF_CONFIG.

    Raises:
      ConfigError: An address has no such form, two are the same, or the index names none.
    """

    addresses: tuple[str, ...]
    index: int
    origin: str

    def __post_init__(self) -> None:
        if not self.addresses:
            raise ConfigError(f"{self.origin} names no worker", hint=_FORMS)
        first: dict[tuple[str, int], int] = {}
        near: dict[bool, int] = {}  # the first worker on loopback, and the first on a network
        for number, address in enumerate(self.addresses):
            try:
                host, port = split_address(address)
            except ConfigError as error:
                message = f"{self.origin} gives worker {number} a bad address: {error.message}"
                raise ConfigError(message, hint=error.hint) from None
            near.setdefault(is_loopback(host), number)
            other = first.setdefault((_same_for_all_spellings(host), port), number)
            if other != number:
                raise ConfigError(
                    f"{self.origin} gives two workers one address: {self.names(other)} and "
                    f"{self.names(number)}",
                    hint="give each worker an address of its own; on one machine, a port",
                )
        if len(near) > 1:
            raise ConfigError(
                f"{self.origin} gives {self.names(near[True])} an address that only its own "
                f"machine reaches, and {self.names(near[False])} another",
                hint="use names or addresses that all machines of the cluster reach",
            )
        if not 0 <= self.index < self.size:
            raise ConfigError(
                f"{self.origin} says that this is worker {self.index}, and has addresses of "
                f"{self.size} (0 to {self.size - 1})",
                hint="number the workers from 0 and list the addresses of all of them",
            )
        host, port = self.meeting
        if port > _LAST_PORT:
            raise ConfigError(
                f"{self.origin}: the workers meet {_TO_MEETING} ports above that of "
                f"{self.names(0)}, and there is no port {port}",
                hint=f"give worker 0 a port up to {_LAST_PORT - _TO_MEETING}",
            )
        if (holder := first.get((_same_for_all_spellings(host), port))) is not None:
            raise ConfigError(
                f"{self.origin}: the workers meet at port {port} of worker 0's machine, which is "
                f"that of {self.names(holder)}",
                hint=f"give worker {holder} another port: the meeting's is {_TO_MEETING} above "
                "that of worker 0",
            )

    @property
    def size(self) -> int:
        """How many workers there are."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes."""
        return self.index == 0

    @property
    def meeting(self) -> tuple[str, int]:
        """Host and port where the workers meet.

        It follows from the chief's address alone: whoever has another list of workers meets them,
        and hears that.
        """
        host, port = split_address(self.addresses[0])
        return host, port + _TO_MEETING

    @property
    def is_on_one_machine(self) -> bool:
        """Whether all addresses have the same host."""
        hosts = {split_address(address)[0] for address in self.addresses}
        return len(set(map(_same_for_all_spellings, hosts))) == 1

    def names(self, index: int) -> str:
        """What messages call a worker: "worker 1 (host:port)"."""
        return f"worker {index} ({self.addresses[index]})"

    def tf_config(self) -> str:
        """The value of TF_CONFIG for this worker; all are of the type worker, the chief too."""
        task = {"type": "worker", "index": self.index}
        return json.dumps({"cluster": {"worker": list(self.addresses)}, "task": task})


def ports_of(first: int, workers: int) -> list[int]:
    """Ports beside each other for the workers of one machine, without that of their meeting.

    Args:
      first: The first of them, which is the chief's if the chief is there.
      workers: How many there are.
    """
    return [first + n + (n >= _TO_MEETING) for n in range(workers)]


def ports_taken(workers: int) -> int:
    """How many ports beside each other they and their meeting need."""
    return max(workers, _TO_MEETING) + 1


def split_address(address: str) -> tuple[str, int]:
    """Reads host:port or [IPv6]:port.

    Returns:
      The host, without brackets, and the port.

    Raises:
      ConfigError: It has neither form; the message has the address and not where it came from.
    """
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise ConfigError(f"{address!r} is not host:port", hint=_hint(address))
    ipv6, port = match["ipv6"] is not None, int(match["port"])
    host = match["ipv6"] if ipv6 else match["name"]
    if not 0 < port <= _LAST_PORT:
        raise ConfigError(
            f"the port of {address!r} is not from 1 to {_LAST_PORT}",
            hint=f"{address.rpartition(':')[0]}:2222",
        )
    try:
        if ipv6 or re.fullmatch(r"[0-9.]+", host):
            if ipaddress.ip_address(host).is_unspecified:
                raise ValueError("it stands for all addresses of a machine, and for no machine")
            if ipv6 and ":" not in host:
                raise ValueError("only IPv6 goes into brackets")
        elif len(host) > 253 or not all(map(_NAME.fullmatch, host.removesuffix(".").split("."))):
            raise ValueError("it is no name of a machine")
    except ValueError as error:
        message = f"the host of {address!r} cannot be right: {error}"
        raise ConfigError(message, hint=_hint(address)) from None
    return host, port


def _hint(address: str) -> str:
    """What to type for an address of another form."""
    plain = re.sub(r"^\w+://", "", address.strip()).rstrip("/")
    if plain.count(":") > 1 and "[" not in plain:  # IPv6 without brackets
        host, _, port = plain.rpartition(":")
        plain = f"[{host}]:{port}"
    for guess in (plain, f"{plain}:2222"):
        if guess != address and _ADDRESS.fullmatch(guess):
            return f"did you mean {guess}? {_FORMS}"
    return _FORMS


def is_loopback(host: str) -> bool:
    """Whether only the machine itself reaches a host."""
    try:
        return ipaddress.ip_address(_same_for_all_spellings(host)).is_loopback
    except ValueError:
        return False


def _same_for_all_spellings(host: str) -> str:
    """One spelling of a host: case, a dot at the end and zeros of an IPv6 address do not count."""
    host = host.lower().removesuffix(".")
    if host == "localhost":
        return "127.0.0.1"
    return ipaddress.IPv6Address(host).compressed if ":" in host else host

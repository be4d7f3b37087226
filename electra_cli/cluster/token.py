"""The token of a cluster, which keeps strangers out, and the proof that one knows it.

The chief writes it into the run folder, for its user alone, before it listens; who can read it is a
worker of the run. ELECTRA_CLUSTER_TOKEN takes its place where workers run as different users: what
is in the folder then is no secret, and shows who sees the folder. Neither side ever sends the
token: each answers a random challenge of the other with it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from electra_cli.cluster.addresses import Cluster
from electra_cli.cluster.ending import TRY_AGAIN, End
from electra_cli.cluster.link import receive
from electra_cli.cluster.protocol import MOST_OF_A_STRANGER, NoMessageError, packed
from electra_cli.errors import ConfigError, TryAgainError
from electra_cli.files.atomic import locked_folder
from electra_cli.files.layout import RUN_LOCK_FILE, cluster_token_name
from electra_cli.runs.lock import cannot_write

VARIABLE = "ELECTRA_CLUSTER_TOKEN"
_BYTES = 32
_FOR_ITS_USER, _FOR_ALL = 0o600, 0o644
_PROTOCOL = 1
_MOST_TOLD = 300  # characters: at six bytes each they still fit into a message to a stranger
_SIGNALLED = 128  # exit codes from here on say that a signal has ended a process


class RefusedError(Exception):
    """The other side has another token."""


def path_in(folder: Path, cluster: Cluster) -> Path:
    """Where a cluster's token lies in a run folder."""
    return folder / cluster_token_name(*cluster.meeting)


@contextmanager
def given_out(path: Path, environment: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Gives out a token in a run folder while the block runs; the folder is made if need be.

    Args:
      path: Where; see `path_in`.
      environment: All variables. With a token there, the folder need not be writable.

    Yields:
      The token, and what is in the folder for others to find; empty if nothing is.

    Raises:
      OutputError, IOFailedError: The folder cannot be written to.
    """
    word, folder = secrets.token_hex(_BYTES), path.parent
    made = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False) as file:
            file.write(word)
        hidden = Path(file.name)
        hidden.chmod(_FOR_ALL if environment.get(VARIABLE) else _FOR_ITS_USER)
        hidden.replace(path)
    except OSError as error:
        if not environment.get(VARIABLE):
            refused = cannot_write(folder, error)
            refused.hint += f"; to read it is enough with the same {VARIABLE}=SECRET at all workers"
            raise refused from error
        word = ""
    try:
        yield environment.get(VARIABLE) or word, word
    finally:
        with suppress(OSError, TryAgainError):
            if word and found(path) == word:  # and not that of a later start
                path.unlink()
            if made:
                _remove_unused(folder)


def _remove_unused(folder: Path) -> None:
    """Removes a folder in which no run has begun.

    Raises:
      OSError, TryAgainError: There is something in it, or somebody is about to begin.
    """
    with locked_folder(folder):
        if [path.name for path in folder.iterdir()] == [RUN_LOCK_FILE]:
            (folder / RUN_LOCK_FILE).unlink()
        folder.rmdir()


def found(path: Path) -> str:
    """What the chief has left there for others to find; empty if there is nothing."""
    with suppress(OSError, ValueError):
        # Looking into the folder makes a network file system forget that the file was not there.
        if path in path.parent.iterdir():
            return path.read_text(encoding="ascii").strip()
    return ""


def shown(word: str) -> str:
    """What may be said of a word over a network."""
    return hashlib.sha256(word.encode()).hexdigest()


async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    """The chief's side: has one who knocks prove that it knows the token.

    Raises:
      RefusedError: It does not.
      NoMessageError: It speaks something else.
      OSError: It has gone.
    """
    ours = secrets.token_hex(_BYTES)
    writer.write(packed("electra", protocol=_PROTOCOL, challenge=ours))
    answer = await _expected(reader, "answer")
    theirs = str(answer.get("challenge"))
    if not _is_proof(answer.get("proof"), token, "worker", ours, theirs):
        writer.write(packed("refused"))
        raise RefusedError
    writer.write(packed("admitted", proof=_proof(token, "chief", ours, theirs)))


def turn_away(writer: asyncio.StreamWriter, why: End) -> None:
    """The chief's side where it cannot begin, and so has no token: says why."""
    told = {"code": why.code, "message": why.message[:_MOST_TOLD], "hint": why.hint[:_MOST_TOLD]}
    writer.write(packed("electra", protocol=_PROTOCOL, challenge="", error=told))


async def introduce(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
    """A worker's side of `admit`; it has the chief prove the same.

    Raises:
      RefusedError: One of the two does not know the other's token.
      NoMessageError: What answers is no chief.
      ConfigError: It is one of another version.
      ElectraError: The chief cannot begin.
      OSError: It has gone.
    """
    banner = await _expected(reader, "electra")
    if banner.get("protocol") != _PROTOCOL:
        raise ConfigError(
            f"the chief speaks version {banner.get('protocol')!r} of what workers say to each "
            f"other, and this worker version {_PROTOCOL}",
            hint="install the same electra on all machines",
        )
    if isinstance(told := banner.get("error"), dict):
        code = told.get("code")
        code = code if isinstance(code, int) and 0 < code < _SIGNALLED else TRY_AGAIN
        raise End(code, str(told.get("message")), str(told.get("hint")), culprit=0).error()
    theirs, ours = str(banner.get("challenge")), secrets.token_hex(_BYTES)
    if not token:
        raise RefusedError
    proof = _proof(token, "worker", theirs, ours)
    writer.write(packed("answer", challenge=ours, proof=proof))
    answer = await _expected(reader, "admitted", "refused")
    if not _is_proof(answer.get("proof"), token, "chief", theirs, ours):
        raise RefusedError


async def _expected(reader: asyncio.StreamReader, *kinds: str) -> dict[str, object]:
    message = await receive(reader, MOST_OF_A_STRANGER)
    if message is None:
        raise ConnectionResetError("it has closed the connection")
    if message["kind"] not in kinds:
        raise NoMessageError(f"{message['kind']!r} in place of {kinds[0]!r}")
    return message


def _proof(token: str, role: str, *challenges: str) -> str:
    text = "\n".join((role, *challenges))
    # A stranger may send what UTF-8 cannot say.
    return hmac.new(os.fsencode(token), text.encode(errors="replace"), hashlib.sha256).hexdigest()


def _is_proof(proof: object, token: str, role: str, *challenges: str) -> bool:
    expected = _proof(token, role, *challenges)
    return isinstance(proof, str) and hmac.compare_digest(
        proof.encode(errors="replace"), expected.encode()
    )

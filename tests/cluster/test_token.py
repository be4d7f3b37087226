"""Who knows the token, and who does not."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from electra_cli.cluster import token
from electra_cli.cluster.addresses import Cluster
from electra_cli.errors import ConfigError, OutputError
from electra_cli.files.layout import RUN_LOCK_FILE

CLUSTER = Cluster(("a:1", "b:1"), 0, "")


async def _meet(chief: str, worker: str) -> list[object]:
    """What comes of it at both."""
    ends: list[object] = []
    done = asyncio.Event()

    async def admit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(await _outcome(token.admit(reader, writer, chief)))
        writer.close()
        await writer.wait_closed()
        done.set()

    async with await asyncio.start_server(admit, "127.0.0.1", 0) as server:
        place = server.sockets[0].getsockname()
        reader, writer = await asyncio.open_connection(*place)
        ends.append(await _outcome(token.introduce(reader, writer, worker)))
        writer.close()
        await done.wait()
    return ends


async def _outcome(handshake: object) -> object:
    try:
        return await handshake  # type: ignore
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(
    ("chief", "worker", "ends"),
    [
        ("secret", "secret", {None}),
        ("gehëim \udcff", "gehëim \udcff", {None}),
        ("secret", "Secret", {token.RefusedError}),
        ("secret", "", {token.RefusedError, ConnectionResetError}),
    ],
)
def test_both_have_to_know_it(chief: str, worker: str, ends: set[object]) -> None:
    assert set(asyncio.run(_meet(chief, worker))) == ends


def test_a_chief_that_does_not_know_it_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token, "_is_proof", lambda proof, *rest: rest[1] == "worker")
    ends = asyncio.run(_meet("another", "secret"))
    assert set(ends) == {None, token.RefusedError}


def test_another_version_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(token.packed("electra", protocol=2, challenge="x"))
        writer.close()
        await writer.wait_closed()

    async def meet() -> None:
        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            try:
                await token.introduce(reader, writer, "secret")
            finally:
                writer.close()
                await writer.wait_closed()

    with pytest.raises(ConfigError, match="the chief speaks version 2"):
        asyncio.run(meet())


def test_a_folder_in_which_no_run_began_is_removed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    path = token.path_in(run, CLUSTER)
    with token.given_out(path, {}) as (secret, word):
        assert secret == word == token.found(path)
        assert path.stat().st_mode & 0o777 == 0o600
        (run / RUN_LOCK_FILE).touch()
    assert not run.exists()
    with token.given_out(path, {token.VARIABLE: "secret"}) as (secret, word):
        assert (secret, token.found(path)) == ("secret", word)
        assert path.stat().st_mode & 0o777 == 0o644  # for workers of other users
        (run / "config.yaml").touch()
    assert [path.name for path in run.iterdir()] == ["config.yaml"]


def test_the_token_of_a_later_start_stays(tmp_path: Path) -> None:
    path = token.path_in(tmp_path, CLUSTER)
    with token.given_out(path, {}):
        path.write_text("another")
    assert token.found(path) == "another"


@pytest.mark.parametrize("other", [("c:1", "b:1"), ("a:2", "b:1")])
def test_the_token_of_another_cluster_on_the_folder_is_another(
    tmp_path: Path, other: tuple[str, ...]
) -> None:
    path = token.path_in(tmp_path / "run", CLUSTER)
    with token.given_out(path, {}) as (secret, _):
        with token.given_out(token.path_in(path.parent, Cluster(other, 0, "")), {}):
            assert len(list(path.parent.iterdir())) == 2
        assert token.found(path) == secret


def test_all_workers_find_the_token_under_one_name(tmp_path: Path) -> None:
    one, other = Cluster(("N.a:1", "b:1"), 0, ""), Cluster(("n.A.:1", "b:1"), 1, "")
    assert token.path_in(tmp_path, one) == token.path_in(tmp_path, other)
    assert token.path_in(tmp_path, one).name == ".cluster-token-n.a-19"
    long = Cluster((f"{'a' * 250}:1", "[fe80::1%eth0]:1"), 0, "")
    for cluster in (long, Cluster(long.addresses[::-1], 0, "")):
        path = token.path_in(tmp_path, cluster)
        with token.given_out(path, {}):
            assert path.parent == tmp_path


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    run = tmp_path / "file" / "run"
    run.parent.touch()
    with pytest.raises(OutputError) as refused, token.given_out(run / "x", {}):
        pass
    assert token.VARIABLE in refused.value.hint
    with token.given_out(run / "x", {token.VARIABLE: "secret"}) as (secret, word):
        assert (secret, word, token.found(run / "x")) == ("secret", "", "")

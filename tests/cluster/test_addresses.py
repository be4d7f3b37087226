"""Addresses of workers: their form, who is who, and where they meet."""

from __future__ import annotations

import ipaddress
import json
import random
import string

import pytest

from electra_cli.cluster.addresses import Cluster, ports_of, ports_taken, split_address
from electra_cli.errors import ConfigError


def test_what_a_cluster_says() -> None:
    cluster = Cluster(("a:2222", "b:2222", "[fd00::1]:7"), 1, "TF_CONFIG")
    assert (cluster.size, cluster.is_chief) == (3, False)
    assert Cluster(cluster.addresses, 0, "").is_chief
    assert cluster.names(2) == "worker 2 ([fd00::1]:7)"
    assert json.loads(cluster.tf_config()) == {
        "cluster": {"worker": ["a:2222", "b:2222", "[fd00::1]:7"]},
        "task": {"type": "worker", "index": 1},
    }


@pytest.mark.parametrize(
    ("addresses", "place"),
    [
        (("a:1", "b:19"), ("a", 19)),
        (("a:5", "A.:6", "a:1"), ("a", 23)),
        (("[::1]:1", "[0:0::1]:2"), ("::1", 19)),
        (("127.0.0.1:65517", "localhost:2"), ("127.0.0.1", 65535)),
    ],
)
def test_the_meeting_is_where_the_chief_says(
    addresses: tuple[str, ...], place: tuple[str, int]
) -> None:
    assert Cluster(addresses, 0, "").meeting == place


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("host:1", ("host", 1)),
        ("a-b_c.d.:65535", ("a-b_c.d.", 65535)),
        ("10.0.0.1:22", ("10.0.0.1", 22)),
        ("[fe80::1%eth0]:02", ("fe80::1%eth0", 2)),
    ],
)
def test_forms_of_addresses(address: str, place: tuple[str, int]) -> None:
    assert split_address(address) == place


@pytest.mark.parametrize(
    ("address", "words", "hint"),
    [
        ("", "'' is not host:port", "[address]:port"),
        ("host", "not host:port", "did you mean host:2222?"),
        ("host:", "not host:port", "host:port"),
        (":1", "no name of a machine", "host:port"),
        (" a:1", "' a:1'", "did you mean a:1?"),
        ("a b:1", "no name of a machine", "host:port"),
        ("a:1,b:2", "not host:port", "host:port"),
        ("grpc://a:3/", "not host:port", "did you mean a:3?"),
        ("::1:2", "not host:port", "did you mean [::1]:2?"),
        ("[::1]", "not host:port", "did you mean [::1]:2222?"),
        ("[]:1", "does not appear", "[address]:port"),
        ("[x::1]:1", "does not appear", "[address]:port"),
        ("[1.2.3.4]:1", "only IPv6", "[address]:port"),
        ("1.2.3:1", "does not appear", "host:port"),
        ("0.0.0.0:1", "no machine", "host:port"),
        ("[::]:1", "no machine", "host:port"),
        ("a:0", "not from 1 to 65535", "a:2222"),
        ("[::1]:65536", "not from 1 to 65535", "[::1]:2222"),
        ("a:-1", "not host:port", "host:port"),
        ("a:٣", "not host:port", "host:port"),
        ("-a:1", "no name", "host:port"),
        ("a..b:1", "no name", "host:port"),
        (f"{'a' * 254}:1", "no name", "host:port"),
    ],
)
def test_bad_addresses(address: str, words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Cluster(("ok:1", address), 0, "TF_CONFIG")
    assert caught.value.message.startswith("TF_CONFIG gives worker 1 a bad address: ")
    assert words in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("addresses", "index", "words"),
    [
        ((), 0, "X names no worker"),
        (("a:1", "b:1", "A:1"), 0, "worker 0 (a:1) and worker 2 (A:1)"),
        (("[::1]:1", "[0:0:0:0:0:0:0:1]:1"), 0, "two workers one address"),
        (("localhost:1", "127.0.0.1:1"), 0, "two workers one address"),
        (("a.b:1", "a.b.:1"), 0, "two workers one address"),
        (("a:1", "b:1"), 2, "this is worker 2, and has addresses of 2 (0 to 1)"),
        (("a:1", "b:1"), -1, "this is worker -1"),
        (("a:65518", "b:1"), 0, "above that of worker 0 (a:65518), and there is no port 65536"),
        (("a:1", "b:19", "A.:19"), 1, "port 19 of worker 0's machine, which is that of worker 2"),
        (("127.0.0.1:1", "localhost:19"), 0, "which is that of worker 1 (localhost:19)"),
        (("b:1", "localhost:1"), 0, "worker 1 (localhost:1) an address that only its own"),
        (("[::1]:1", "b:1"), 0, "reaches, and worker 1 (b:1) another"),
        (("127.0.1.1:1", "10.0.0.1:1"), 0, "only its own machine reaches"),
    ],
)
def test_bad_clusters(addresses: tuple[str, ...], index: int, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Cluster(addresses, index, "X")
    assert words in caught.value.message
    assert caught.value.hint


def test_any_hosts_and_ports_come_back_as_they_were_given() -> None:
    draw = random.Random(1)
    letters = string.ascii_letters + string.digits + "_"
    for _ in range(300):
        places = []
        for number in range(draw.randint(1, 5)):
            kind = draw.randrange(3)
            host = (
                f"{''.join(draw.choices(letters, k=draw.randint(1, 20)))}-{number}x",
                str(ipaddress.IPv4Address(draw.randrange(1, 127 * 2**24))),
                str(ipaddress.IPv6Address(draw.randrange(2, 2**128))),
            )[kind]
            places.append((host, draw.randint(1, 60_000)))
        if len({(host.lower(), port) for host, port in places}) < len(places):
            continue
        addresses = [
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in places
        ]
        cluster = Cluster(tuple(addresses), draw.randrange(len(places)), "X")
        assert [split_address(address) for address in cluster.addresses] == places
        assert cluster.meeting == (places[0][0], places[0][1] + 18)


@pytest.mark.parametrize("workers", [1, 2, 18, 19, 40])
def test_ports_of_one_machine(workers: int) -> None:
    ports = ports_of(100, workers)
    assert len(set(ports)) == workers
    cluster = Cluster(tuple(f"a:{port}" for port in ports), 0, "X")
    assert {*ports, cluster.meeting[1]} <= set(range(100, 100 + ports_taken(workers)))


def test_no_text_is_half_understood() -> None:
    """Whatever the text is, it is refused or comes back unchanged, but for zeros of the port."""
    draw = random.Random(2)
    understood = 0
    for _ in range(5_000):
        letters = [*draw.choice(["node-1.b_c:2222", "[fe80::1]:22", "10.0.0.1:1", "a:65535"])]
        for _ in range(draw.randint(1, 2)):
            letters[draw.randrange(len(letters))] = draw.choice(["", *"aA1.-_:[]% /0٣ü"])
        text = "".join(letters)
        try:
            host, port = split_address(text)
        except ConfigError:
            continue
        understood += 1
        before, _, after = text.rpartition(":")
        assert before in (host, f"[{host}]")
        assert after.isascii()
        assert int(after) == port
    assert 500 < understood < 4_500

"""Slurm's lists of hosts, against what Slurm makes of them."""

from __future__ import annotations

import random

import pytest

from electra_cli.cluster.discovery.host_list import MOST, expand
from electra_cli.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        # Plain names.
        ("n1", "n1"),
        ("login", "login"),
        ("n1,n2", "n1 n2"),
        ("n2,n1", "n2 n1"),
        ("gpu-a.cluster.local", "gpu-a.cluster.local"),
        ("10", "10"),
        ("n1,n1", "n1 n1"),
        # Brackets and ranges.
        ("n[1]", "n1"),
        ("n[1-3]", "n1 n2 n3"),
        ("n[3-3]", "n3"),
        ("n[1,3]", "n1 n3"),
        ("n[1-2,5,7-8]", "n1 n2 n5 n7 n8"),
        ("n[2,9-10]", "n2 n9 n10"),
        ("n[8-11]", "n8 n9 n10 n11"),
        ("n[0-2]", "n0 n1 n2"),
        ("[1-2]", "1 2"),
        ("n[10,2]", "n10 n2"),
        ("n[3,1-2]", "n3 n1 n2"),
        ("n[1,1]", "n1 n1"),
        # Zero padding has the width of a range's first number.
        ("n[01-03]", "n01 n02 n03"),
        ("n[001]", "n001"),
        ("n[008-011]", "n008 n009 n010 n011"),
        ("n[08-10]", "n08 n09 n10"),
        ("n[98-101]", "n98 n99 n100 n101"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("n[1-2,01-02]", "n1 n2 n01 n02"),
        ("n[000-1]", "n000 n001"),
        ("n[1-02]", "n1 n2"),
        ("n0[1-2]", "n01 n02"),
        # Several groups.
        ("a[1-2],b[1-2]", "a1 a2 b1 b2"),
        ("a[1-2],login,b3", "a1 a2 login b3"),
        ("b[2-3],a1,b1", "b2 b3 a1 b1"),
        ("n[1-2],n[2-3]", "n1 n2 n2 n3"),
        # Suffixes, and several brackets in a name: the last one counts fastest.
        ("n[1-2]-ib", "n1-ib n2-ib"),
        ("n[01-02].site.org,x", "n01.site.org n02.site.org x"),
        ("r[1-2]n[1-2]", "r1n1 r1n2 r2n1 r2n2"),
        ("r[1-2]n[08,10]s", "r1n08s r1n10s r2n08s r2n10s"),
        ("a[1-2]b[3]c[5-6]", "a1b3c5 a1b3c6 a2b3c5 a2b3c6"),
        ("r[1-2][3-4]", "r13 r14 r23 r24"),
        # Separators.
        ("a,,b", "a b"),
        (",a,", "a"),
        ("a, b", "a b"),
        ("a b\tc", "a b c"),
        (" n[1-2] , m\n", "n1 n2 m"),
        ("n[1, 3 ,5-6]", "n1 n3 n5 n6"),
    ],
)
def test_notation(text: str, hosts: str) -> None:
    assert expand(text) == hosts.split()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "names none"),
        (" ,\t", "names none"),
        ("," * 9000, ",… names none"),
        ("n[1-3", "at character 2, 'n[1-3': the '['"),
        ("n1]", "at character 3, 'n1]': the ']'"),
        ("n[[1]]", "character 2"),
        ("a,n[1]]", "character 7"),
        ("n[]", "'' is neither a number nor a range"),
        ("n[1,,2]", "character 5"),
        ("n[1,]", "''"),
        ("n[-3]", "'-3'"),
        ("n[1-]", "'1-'"),
        ("n[1-2-3]", "'1-2-3'"),
        ("n[a-c]", "'a-c'"),
        ("n[1-3:2]", "'1-3:2'"),
        ("n[٣]", "'٣'"),
        ("n[000x133]", "'000x133'"),
        ("m,n[4,7-5]", "at character 7, 'm,n[4,7-5]': '7-5' runs backwards"),
        ("n[0-999999999]", f"more than {MOST:,}"),
        ("n[0-65535],m", f"more than {MOST:,}"),
        ("n[1-999][1-999]", f"more than {MOST:,}"),
        ("n[1-9]" + "[0-9]" * 40, f"more than {MOST:,}"),
        (f"n[{'9' * 5000}]", "neither a number"),
        (f"{'x' * 5000}[", "character 5001, '…xxx"),
    ],
)
def test_malformed_lists(text: str, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        expand(text)
    assert words in caught.value.message
    assert len(caught.value.message) < 5200
    assert "scontrol show hostnames" in caught.value.hint


def test_as_many_as_are_allowed() -> None:
    assert len(expand(f"n[0-{MOST - 1}]")) == MOST


def _compress(draw: random.Random) -> tuple[str, list[str]]:
    """A list as Slurm may write it, and the hosts that it was made of."""
    texts, hosts = [], []
    for _ in range(draw.randint(1, 4)):
        names, text = [""], ""
        for _ in range(draw.randint(1, 3)):
            literal = draw.choice(["n", "gpu-", "r.x", "0", "A_"])
            names, text = [name + literal for name in names], text + literal
            if draw.random() < 0.7:
                numbers, items = [], []
                for _ in range(draw.randint(1, 3)):
                    low, width = draw.randint(0, 120), draw.randint(1, 4)
                    high = low + draw.randint(0, 4)
                    numbers += [
                        str(n).zfill(max(width, len(str(low)))) for n in range(low, high + 1)
                    ]
                    first, last = str(low).zfill(width), str(high).zfill(width)
                    items.append(first if low == high else f"{first}-{last}")
                names = [name + number for name in names for number in numbers]
                text += f"[{','.join(items)}]"
        texts.append(text)
        hosts += names
    return draw.choice([",", ", ", " "]).join(texts), hosts


def test_what_was_compressed_expands_again() -> None:
    draw = random.Random(3)
    for _ in range(500):
        text, hosts = _compress(draw)
        assert expand(text) == hosts, text


def test_no_text_is_half_understood() -> None:
    draw = random.Random(4)
    for _ in range(5_000):
        text = "".join(draw.choices("n1[]-, 09x", k=draw.randint(0, 14)))
        try:
            hosts = expand(text)
        except ConfigError:
            continue
        assert hosts
        assert not {*"[], "} & {*"".join(hosts)}
        assert all(hosts)

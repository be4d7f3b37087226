"""Python, electra and what it depends on, against its requirements and the tested versions."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from electra_cli import __version__
from electra_cli.errors import counted, listed
from electra_cli.training.devices.check import Check

TOPIC = "versions"
DISTRIBUTION = "electra-cli"

_PACKAGE = Path(__file__).resolve().parents[1]
# A wheel carries the repository's constraints.txt beside the package's modules (pyproject.toml).
_FILES = (_PACKAGE / "_constraints.txt", _PACKAGE.parent / "constraints.txt")


@dataclass(frozen=True)
class Package:
    """One of the libraries.

    Attributes:
      name: As packages are installed by.
      installed: Its version; None if it is not there.
      tested: The version that electra was tested with; None if nobody knows.
      required: The versions that electra's package asks for; empty for any, as of those that only
        others need.
    """

    name: str
    installed: str | None
    tested: str | None
    required: str


def list_of_tested(files: Sequence[Path] = _FILES) -> dict[str, str]:
    """The versions that were tested together, by name; empty if this installation has no list."""
    file = next((file for file in files if file.is_file()), None)
    lines = file.read_text(encoding="utf-8").splitlines() if file else []
    pairs = (line.partition("==") for line in lines if not line.startswith("#"))
    return {name.strip(): version.strip() for name, equal, version in pairs if equal}


def required_packages(distribution: str = DISTRIBUTION) -> list[Requirement]:
    """What the package needs without extras; empty where it is not installed as one."""
    try:
        lines = metadata.requires(distribution) or []
    except metadata.PackageNotFoundError:
        return []
    needed = (Requirement(line) for line in lines)
    return [one for one in needed if one.marker is None or one.marker.evaluate({"extra": ""})]


def installed_version(name: str) -> str | None:
    """The version of a package; None if it is not there."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def packages_of(
    required: Sequence[Requirement],
    tested: Mapping[str, str],
    installed: Callable[[str], str | None] = installed_version,
) -> list[Package]:
    """What is required, there or not, and everything else that was tested and is there."""
    by_name = {canonicalize_name(name): version for name, version in tested.items()}
    found = [
        Package(
            one.name,
            installed(one.name),
            by_name.get(canonicalize_name(one.name)),
            str(one.specifier),
        )
        for one in required
    ]
    known = {canonicalize_name(package.name) for package in found}
    for name, version in tested.items():
        there = None if canonicalize_name(name) in known else installed(name)
        if there is not None:
            found.append(Package(name, there, version, ""))
    return found


def check_versions(
    packages: Sequence[Package],
    *,
    python: str,
    supported: str,
) -> Iterator[Check]:
    """Compares versions.

    Args:
      packages: What `packages_of` found.
      python: The version of this Python.
      supported: The versions of it that electra is made for; `Requires-Python` of the package.
    """
    fits = SpecifierSet(supported).contains(python, prereleases=True)
    where = f"{platform.python_implementation()} {python} in {sys.prefix}"
    advice = "" if fits else f"make an environment with a Python {supported}"
    yield Check(TOPIC, "Python", "ok" if fits else "problem", where, advice)
    yield Check(TOPIC, "electra", "ok", f"{__version__}, {_PACKAGE}")
    wrong = list(_wrong(packages))
    yield from wrong
    if not any(package.required for package in packages):
        yield Check(
            TOPIC,
            "requirements",
            "note",
            "this is a checkout that is not installed: nothing says what it needs",
            "pip install -c constraints.txt -e .",
        )
    elif not wrong:
        yield Check(TOPIC, "requirements", "ok", "all are there, in versions that fit")
    yield _against_tested(packages)


def _wrong(packages: Sequence[Package]) -> Iterator[Check]:
    """What is missing, or has a version that electra does not work with."""
    for package in packages:
        if not package.required:
            continue
        if package.installed is None:
            found = f"is not installed; electra needs {package.name}{package.required}"
        elif not SpecifierSet(package.required).contains(package.installed, prereleases=True):
            found = f"{package.installed} is installed; electra needs {package.required}"
        else:
            continue
        version = f"=={package.tested}" if package.tested else package.required
        yield Check(TOPIC, package.name, "problem", found, f"pip install '{package.name}{version}'")


def _against_tested(packages: Sequence[Package]) -> Check:
    tested = [package for package in packages if package.tested and package.installed]
    if not tested:
        return Check(TOPIC, "tested versions", "note", "this installation has no list of them")
    others = [one for one in tested if _public(one.installed) != _public(one.tested)]
    same = f"{len(tested) - len(others)} of {counted(len(tested), 'package')} as tested"
    if not others:
        return Check(TOPIC, "tested versions", "ok", same)
    # Those that electra itself uses come first, and are what to change first.
    shown = [f"{one.name} {one.installed} (tested: {one.tested})" for one in others]
    pins = [f"{one.name}=={one.tested}" for one in others if one.required]
    return Check(
        TOPIC,
        "tested versions",
        "note",
        f"{same}; others: {listed(shown, 6)}",
        f"if something fails: pip install {' '.join(pins)}" if pins else "",
    )


def _public(version: str | None) -> str:
    """A version without what only says how it was built: 2.13.0 of 2.13.0+cpu."""
    return (version or "").partition("+")[0]


def requires_python(distribution: str = DISTRIBUTION) -> str:
    """The Pythons that the package is made for, as a specifier; empty for any."""
    try:
        return str(metadata.metadata(distribution).json.get("requires_python", ""))
    except metadata.PackageNotFoundError:
        return ""

"""Versions against requirements and the tested set."""

from __future__ import annotations

import pytest
from packaging.requirements import Requirement

from electra_cli.doctor.versions import (
    check_versions,
    list_of_tested,
    packages_of,
    required_packages,
    requires_python,
)
from tests.doctor.machines import one, states
from tests.places import ROOT

REQUIRED = [Requirement("rich>=14"), Requirement("Py_YAML>=6"), Requirement("tensorflow~=2.20.0")]
TESTED = {"rich": "15.0.0", "py-yaml": "6.0.3", "tensorflow": "2.20.0", "numpy": "2.4.6"}


def checks(installed: dict[str, str], python: str = "3.12.1", required: object = REQUIRED):
    packages = packages_of(required, TESTED, installed.get)
    return list(check_versions(packages, python=python, supported=">=3.11,<3.14"))


ALL = {"rich": "15.0.0", "Py_YAML": "6.0.3", "tensorflow": "2.20.0", "numpy": "2.4.6"}


@pytest.mark.parametrize(
    ("change", "name", "state", "words"),
    [
        ({}, "tested versions", "ok", "4 of 4 packages as tested"),
        ({"tensorflow": "2.20.0+nv"}, "tested versions", "ok", "4 of 4"),
        ({"numpy": "2.5.0"}, "tested versions", "note", "numpy 2.5.0 (tested: 2.4.6)"),
        ({"rich": "16.0"}, "tested versions", "note", "pip install rich==15.0.0"),
        ({"rich": None}, "rich", "problem", "pip install 'rich==15.0.0'"),
        ({"rich": "13.1"}, "rich", "problem", "13.1 is installed; electra needs >=14"),
        ({"tensorflow": "2.21.0"}, "tensorflow", "problem", "pip install 'tensorflow==2.20.0'"),
    ],
)
def test_what_differs(change: dict[str, str], name: str, state: str, words: str) -> None:
    check = one(checks(ALL | change), name)
    assert check.state == state
    assert words in check.found + check.advice


@pytest.mark.parametrize(
    ("python", "state"), [("3.10.9", "problem"), ("3.11.0rc1", "problem"), ("3.13.9", "ok"),
                          ("3.14.0", "problem")],
)  # fmt: skip
def test_pythons(python: str, state: str) -> None:
    assert one(checks(ALL, python), "Python").state == state


def test_a_checkout_that_is_not_installed_says_so() -> None:
    assert states(checks(ALL, required=[]))["requirements"] == "note"


def test_the_tested_versions_are_those_of_the_constraints() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    told = [f"{name}=={version}" for name, version in list_of_tested().items()]
    assert told == [line for line in lines if not line.startswith("#")]


def test_what_this_installation_requires_is_what_is_needed_without_extras() -> None:
    names = {requirement.name for requirement in required_packages()}
    assert {"tensorflow", "tf-models-official", "rich"} <= names
    assert names.isdisjoint({"pytest", "onnx", "apache-beam"})
    assert requires_python().startswith(("<", ">="))

"""Environment variables: ELECTRA_SECTION__KEY for a key; any other ELECTRA_… is a mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping

from electra_cli.config.nearest import nearest
from electra_cli.config.schema import leaf_fields
from electra_cli.errors import ConfigError

PREFIX = "ELECTRA_"

# These are of this program, and no keys: the workers' shared secret, and a folder of the tests.
OTHERS = frozenset({"ELECTRA_CLUSTER_TOKEN", "ELECTRA_GOLDEN_DIRS"})

# Kubernetes sets these in every container for a service called "electra" or "electra-…".
_OF_A_SERVICE = re.compile(r"\w+_(?:SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_(?:TCP|UDP)\w*)")


def variable_of(key: str) -> str:
    """The environment variable of a key: ELECTRA_TRAIN__STEPS of train.steps."""
    return PREFIX + key.upper().replace(".", "__")


def keys_in(environment: Mapping[str, str]) -> dict[str, str]:
    """Finds the keys that the environment sets.

    Returns:
      The variable of each of them, by key.

    Raises:
      ConfigError: A variable begins with ELECTRA_ and names no key.
    """
    variables = {variable_of(key): key for key in leaf_fields()}
    found = {}
    for name in sorted(environment):
        if name in variables:
            found[variables[name]] = name
        elif _is_meant(name, variables):
            raise _unknown(name, variables)
    return found


def _is_meant(name: str, variables: Mapping[str, str]) -> bool:
    """Whether a variable is one of ours, or in lower case could only be one."""
    if name.startswith(PREFIX):
        return name not in OTHERS and not _OF_A_SERVICE.fullmatch(name)
    return bool(_spelled(name, variables)) and name.upper().startswith(PREFIX)


def _unknown(name: str, variables: Mapping[str, str]) -> ConfigError:
    names = _spelled(name, variables) or _alike(name, variables)
    hint = f"did you mean {' or '.join(names)}?" if names else (
        f"keys are written {PREFIX}SECTION__KEY, such as {variable_of('train.steps')}; if it is "
        f"another program's, `env -u {name} electra …` runs without it"
    )  # fmt: skip
    return ConfigError(f"unknown environment variable {name}: it names no key", hint=hint)


def _spelled(name: str, variables: Mapping[str, str]) -> list[str]:
    """The variables that differ in case, underscores or the missing section alone."""
    word = _plain(name)
    return [
        variable
        for variable, key in variables.items()
        if word in (_plain(variable), _plain(PREFIX + key.partition(".")[2]))
    ]


def _alike(name: str, variables: Mapping[str, str]) -> list[str]:
    """The nearest one, by the whole name or by the key without its section."""
    words = {_plain(PREFIX + key.partition(".")[2]): name for name, key in variables.items()}
    words |= {_plain(variable): variable for variable in variables}
    near = nearest(_plain(name), words)
    return [words[near]] if near else []


def _plain(name: str) -> str:
    return name.upper().replace("_", "").replace("-", "").replace(".", "").removeprefix("ELECTRA")

"""Environment variables: ELECTRA_SECTION__KEY for a key; any other ELECTRA_… is a mistake."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.nearest import nearest
from electra_cli.config.schema import leaf_fields
from electra_cli.errors import ConfigError

PREFIX = "ELECTRA_"

# These are of this program, and no keys: the workers of a cluster, their shared secret and their
# trainers' channel, and a folder of the tests.
OTHERS = frozenset(
    {
        "ELECTRA_CLUSTER_CHANNEL",
        "ELECTRA_CLUSTER_HOSTS",
        "ELECTRA_CLUSTER_PORT",
        "ELECTRA_CLUSTER_SIZE",
        "ELECTRA_CLUSTER_TOKEN",
        "ELECTRA_GOLDEN_DIRS",
    }
)

# Kubernetes sets these in every container for a service called "electra" or "electra-…".
_OF_A_SERVICE = re.compile(r"\w+_(?:SERVICE_HOST|SERVICE_PORT\w*|PORT|PORT_\d+_(?:TCP|UDP)\w*)")


def variable_of(key: str) -> str:
    """The environment variable of a key: ELECTRA_TRAIN__STEPS of train.steps."""
    return PREFIX + key.upper().replace(".", "__")


def keys_in(environment: Mapping[str, str], wanted: Collection[str]) -> dict[str, str]:
    """Finds the keys that the environment sets.

    Args:
      environment: All variables.
      wanted: The keys of the configuration that is loaded; those of others are no mistake.

    Returns:
      The variable of each of them, by key.

    Raises:
      ConfigError: A variable begins with ELECTRA_ and names no key.
    """
    keys = {**leaf_fields(), **leaf_fields(FinetuneConfig)}
    variables = {variable_of(key): key for key in keys}
    found = {}
    for name in sorted(environment):
        if name in variables:
            if variables[name] in wanted:
                found[variables[name]] = name
        elif name.startswith(PREFIX):
            if name not in OTHERS and not _OF_A_SERVICE.fullmatch(name):
                raise _unknown(name, variables)
        elif name.upper().startswith(PREFIX) and _plain(name) in _by_word(variables):
            raise _unknown(name, variables)
    return found


def _unknown(name: str, variables: Mapping[str, str]) -> ConfigError:
    words, word = _by_word({**variables, **dict.fromkeys(OTHERS, "")}), _plain(name)
    names = words.get(word) or words.get(nearest(word, words) or "")
    hint = f"did you mean {' or '.join(names)}?" if names else (
        f"keys are written {PREFIX}SECTION__KEY, such as {variable_of('train.steps')}; if it is "
        f"another program's, `env -u {name} electra …` runs without it"
    )  # fmt: skip
    return ConfigError(f"unknown environment variable {name}: it names no key", hint=hint)


def _by_word(variables: Mapping[str, str]) -> dict[str, list[str]]:
    """Finds variables by their plain names, with the section of the key and without it."""
    found: dict[str, list[str]] = {}
    for variable, key in variables.items():
        for name in {variable, key.partition(".")[2] or variable}:
            found.setdefault(_plain(name), []).append(variable)
    return found


def _plain(name: str) -> str:
    return name.upper().replace("_", "").replace("-", "").replace(".", "").removeprefix("ELECTRA")

"""`--cluster`: what the environment shows, what was chosen, and two at once."""

from __future__ import annotations

import pytest

from electra_cli.cluster.discovery.choice import CHOICES, find_cluster
from electra_cli.errors import ConfigError
from tests.cluster.discovery.test_indexed import PODS
from tests.cluster.discovery.test_slurm import STEP
from tests.cluster.discovery.test_tf_config import WORKERS, config

TWO = {"TF_CONFIG": config(WORKERS, "worker", 1)}
ONE = {"TF_CONFIG": config({"worker": ["a:1"]}, "worker", 0)}
# What a batch script and the shell of salloc have: a task, and no step.
BATCH = {
    name: STEP[name]
    for name in ("SLURM_JOB_ID", "SLURM_JOB_NODELIST", "SLURM_NODEID", "SLURM_LOCALID")
} | {"SLURM_PROCID": "0", "SLURM_NTASKS": "18", "SLURM_TASKS_PER_NODE": "2(x9)"}
# A shell in a step of its own, with the number that Slurm keeps for it.
SHELL = BATCH | {
    "SLURM_STEP_ID": "4294967290",
    "SLURM_STEP_NODELIST": "n1",
    "SLURM_STEP_NUM_TASKS": "1",
    "SLURM_STEP_TASKS_PER_NODE": "1",
    "SLURM_NODEID": "0",
}


@pytest.mark.parametrize(
    ("choice", "environment", "origin"),
    [
        ("auto", {}, None),
        ("auto", TWO, "TF_CONFIG"),
        ("auto", STEP, "SLURM_STEP_NODELIST"),
        ("auto", PODS, "ELECTRA_CLUSTER_HOSTS"),
        ("auto", BATCH, None),
        ("auto", SHELL, None),
        ("auto", {"JOB_COMPLETION_INDEX": "3"}, None),
        ("auto", {"TF_CONFIG": " "}, None),
        # For TensorFlow, too, these are none.
        ("auto", {"TF_CONFIG": "{}"}, None),
        ("auto", {"TF_CONFIG": '{"cluster": {}, "task": {"type": "worker", "index": 0}}'}, None),
        (
            "auto",
            {"TF_CONFIG": '{"task": {"type": "worker", "index": 0}}'} | STEP,
            "SLURM_STEP_NODELIST",
        ),
        # One worker is no cluster, and stands in nobody's way.
        ("auto", ONE, None),
        ("auto", ONE | STEP, "SLURM_STEP_NODELIST"),
        ("auto", TWO | SHELL, "TF_CONFIG"),
        ("tf-config", ONE, None),
        ("slurm", SHELL, None),
        # A choice looks at nothing else.
        ("none", TWO | STEP | PODS, None),
        ("none", {"TF_CONFIG": "{"}, None),
        ("tf-config", TWO | STEP, "TF_CONFIG"),
        ("slurm", {"TF_CONFIG": "{"} | STEP, "SLURM_STEP_NODELIST"),
        ("indexed", TWO | STEP | PODS, "ELECTRA_CLUSTER_HOSTS"),
    ],
)
def test_what_is_found(choice: str, environment: dict[str, str], origin: str | None) -> None:
    cluster = find_cluster(choice, environment)
    assert (cluster and cluster.origin) == origin


@pytest.mark.parametrize(
    ("choice", "environment", "words", "hint"),
    [
        ("slrum", {}, "unknown cluster 'slrum'", "did you mean --cluster slurm?"),
        ("tf_config", TWO, "unknown cluster 'tf_config'", "--cluster tf-config"),
        ("", {}, "unknown cluster ''", "auto, none, tf-config"),
        ("tf-config", {}, "needs variables that are not set: TF_CONFIG", "export TF_CONFIG="),
        ("tf-config", {"TF_CONFIG": "{}"}, "TF_CONFIG is {}, and should be", "export TF_CONFIG="),
        ("auto", {"TF_CONFIG": "[]"}, "TF_CONFIG is [], and should be", "--cluster none"),
        ("slurm", BATCH, "not set: SLURM_STEP_ID", "srun --ntasks-per-node=1"),
        ("slurm", {}, "SLURM_PROCID, SLURM_STEP_ID, SLURM_STEP_NODELIST, ", "srun"),
        ("indexed", {"JOB_COMPLETION_INDEX": "0"}, "ELECTRA_CLUSTER_HOSTS, ELECTRA_", "launch"),
        ("indexed", {**PODS, "JOB_COMPLETION_INDEX": ""}, "set: JOB_COMPLETION_INDEX", "launch"),
        # Half a description was meant to be one.
        ("auto", {"ELECTRA_CLUSTER_SIZE": "2"}, "ELECTRA_CLUSTER_HOSTS, JOB_COMP", "launch"),
        ("auto", {"TF_CONFIG": "{"}, "TF_CONFIG is no JSON", "--cluster none"),
        ("auto", TWO | STEP, "2 clusters: one of 2 workers (tf-config, from TF_CONFIG) and one "
         "of 4 workers (slurm", "--cluster tf-config or --cluster slurm"),
        ("auto", TWO | STEP | PODS, "3 clusters", "or --cluster indexed"),
    ],
)  # fmt: skip
def test_what_is_refused(choice: str, environment: dict[str, str], words: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_cluster(choice, environment)
    assert words in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == 2


def test_the_choices() -> None:
    assert CHOICES == ("auto", "none", "tf-config", "slurm", "indexed")

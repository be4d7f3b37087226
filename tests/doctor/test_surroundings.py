"""Encodings, clusters and variables, out of a made-up environment."""

from __future__ import annotations

import json

import pytest

from electra_cli.doctor.surroundings import check_clusters, check_encodings, check_variables
from tests.doctor.machines import one, states

CLUSTER = json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}})
SLURM = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "1"}
INDEXED = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_COMPLETION_INDEX": "3"}


@pytest.mark.parametrize(
    ("environment", "name", "state", "words"),
    [
        ({}, "cluster", "ok", "none"),
        ({"TF_CONFIG": CLUSTER}, "cluster", "ok", "joins its cluster"),
        ({"TF_CONFIG": "{"}, "TF_CONFIG", "problem", "is no JSON"),
        ({"TF_CONFIG": ""}, "TF_CONFIG", "problem", "not set: TF_CONFIG"),
        (SLURM, "cluster", "ok", "job 7, task 1 of 1"),
        (SLURM | {"SLURM_NTASKS": "4"}, "cluster", "note", "trains with all tasks"),
        (SLURM | {"SLURM_NTASKS": "4", "TF_CONFIG": CLUSTER}, "cluster", "note", "2 at once"),
        (INDEXED, "cluster", "ok", "Kubernetes indexed job: index 3"),
        (INDEXED | {"JOBSET_NAME": "j"}, "cluster", "ok", "JobSet"),
        (INDEXED | SLURM, "cluster", "note", "2 at once"),
        ({"KUBERNETES_SERVICE_HOST": "x", **SLURM}, "cluster", "ok", "without an index"),
        ({"WORLD_SIZE": "2", "RANK": "1"}, "cluster", "ok", "nothing here reads them"),
    ],
)
def test_clusters(environment: dict[str, str], name: str, state: str, words: str) -> None:
    check = one(list(check_clusters(environment)), name)
    assert check.state == state
    assert words in check.found + check.advice


@pytest.mark.parametrize(
    ("name", "value", "state"),
    [
        ("TF_USE_LEGACY_KERAS", "0", "problem"),
        ("TF_USE_LEGACY_KERAS", "1", None),
        ("TF_ENABLE_ONEDNN_OPTS", "0", "note"),
        ("TF_ENABLE_ONEDNN_OPTS", "1", None),
        ("TF_NUM_INTRAOP_THREADS", "1", "note"),
        ("XLA_FLAGS", "--xla_nothing", "note"),
        ("XLA_FLAGS", "", None),
        ("LD_PRELOAD", "libjemalloc.so", "note"),
    ],
)
def test_variables_that_matter(name: str, value: str, state: str | None) -> None:
    checks = list(check_variables({name: value}))
    assert states(checks).get(name) == state
    assert f"{name}={value}" in one(checks, "variables").found
    if state:
        assert one(checks, name).advice == f"unset {name}"


def test_only_variables_that_libraries_obey_are_shown_and_no_secret() -> None:
    environment = {
        "HF_TOKEN": "x",
        "WANDB_API_KEY": "short",
        "HF_ENDPOINT": "https://me:word@host/",
        "OMP_NUM_THREADS": "2",
        "OPENBLAS_CORETYPE": "Haswell",
        "TF_VAR_password": "secret",
        "USER": "me",
        "XLA_LONG": "y" * 500,
    }
    shown = one(list(check_variables(environment)), "variables").found
    assert "HF_TOKEN=***, OMP_NUM_THREADS=2, OPENBLAS_CORETYPE=Haswell, WANDB_API_KEY=***" in shown
    for hidden in ("short", "word", "secret", "USER", "y" * 200):
        assert hidden not in shown


@pytest.mark.parametrize(
    ("encoding", "state"), [("utf-8", "ok"), ("UTF8", "ok"), ("ANSI_X3.4-1968", "note")]
)
def test_encodings(encoding: str, state: str) -> None:
    encodings = {"stdout": "utf-8", "stderr": encoding}
    check = check_encodings(encodings, {"LC_ALL": "", "LANG": "C"})
    assert check.state == state
    assert "LANG=C" in check.found
    assert ("escaped in stderr" in check.found) == (state == "note")

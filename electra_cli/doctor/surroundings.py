"""What a process inherits: encodings, a cluster's variables, and those that libraries obey."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from electra_cli.cluster.discovery.choice import find_cluster
from electra_cli.errors import ConfigError, listed
from electra_cli.files.redaction import MASK, is_secret, redacted
from electra_cli.training.devices.check import Check

TOPIC = "surroundings"

# Variables that change what TensorFlow and others do; they are shown. Some of TF_ are Terraform's.
_OBEYED = re.compile(
    r"(TF(?!_(CLI|VAR|LOG))|XLA|CUDA|NVIDIA|NCCL|TPU|OMP|KMP|MKL|OPENBLAS|GOTO|BLIS|RAYON|TOKENIZERS|KERAS|ELECTRA"
    r"|MALLOC|ABSL|PJRT|WANDB|MLFLOW|HF|TRACKIO)_.*|LD_(LIBRARY_PATH|PRELOAD)"
    r"|PYTHON(PATH|HOME|UTF8|IOENCODING|HASHSEED|MALLOC|WARNINGS)|XDG_CACHE_HOME|TMPDIR"
)
_NOT_OBEYED = {"TF_CONFIG"}  # of a cluster, below
_LONGEST = 120

# NAME: which values are worth a word, its state, the word, what to type.
_KNOWN = (
    (
        "TF_USE_LEGACY_KERAS",
        lambda value: value.lower() not in ("1", "true"),
        "problem",
        "chooses Keras 3, and Model Garden is written for tf_keras",
    ),
    (
        "TF_ENABLE_ONEDNN_OPTS",
        lambda value: value.lower() in ("0", "false"),
        "note",
        "leaves the faster matrix products of CPUs off",
    ),
    ("TF_NUM_INTRAOP_THREADS", bool, "note", "goes before the number of threads that electra sets"),
    ("TF_NUM_INTEROP_THREADS", bool, "note", "goes before the number of threads that electra sets"),
    ("XLA_FLAGS", bool, "note", "TensorFlow ends the process if it does not know one of them"),
    ("TF_XLA_FLAGS", bool, "note", "TensorFlow ends the process if it does not know one of them"),
    ("LD_PRELOAD", bool, "note", "is loaded into every process, before its own libraries"),
    ("PYTHONPATH", bool, "note", "modules there go before those of this environment"),
    ("PYTHONHOME", bool, "note", "another Python's library is used"),
)  # fmt: skip


def check_encodings(encodings: Mapping[str, str], environment: Mapping[str, str]) -> Check:
    """The encodings of the streams, of names of files, and the locale.

    Args:
      encodings: By what they are of: stdout, stderr, names of files.
      environment: The variables.
    """
    names = ("LC_ALL", "LC_CTYPE", "LANG")
    chosen = next((f"{name}={environment[name]}" for name in names if environment.get(name)), "")
    found = ", ".join(f"{what}: {encoding}" for what, encoding in encodings.items())
    found += f"; {chosen or 'no locale is set'}"
    plain = [
        what
        for what, encoding in encodings.items()
        if encoding.lower().replace("-", "").replace("_", "") != "utf8"
    ]
    if plain:
        return Check(
            TOPIC,
            "encodings",
            "note",
            f"{found}; what is no ASCII is lost or escaped in {listed(plain)}",
            "export PYTHONUTF8=1 LC_ALL=C.UTF-8",
        )
    return Check(TOPIC, "encodings", "ok", found)


def check_clusters(environment: Mapping[str, str]) -> Iterator[Check]:
    """Schedulers and clusters that started this process."""
    found: dict[str, str] = {}
    if "TF_CONFIG" in environment:
        try:
            find_cluster("tf-config", environment)
            found["TF_CONFIG"] = "pretrain joins its cluster"
        except ConfigError as error:
            yield Check(TOPIC, "TF_CONFIG", "problem", error.message, error.hint)
    tasks = environment.get("SLURM_NTASKS", "1")
    if "SLURM_JOB_ID" in environment or "SLURM_PROCID" in environment:
        job = environment.get("SLURM_JOB_ID", "?")
        rank = environment.get("SLURM_PROCID", "0")
        found["Slurm"] = f"job {job}, task {rank} of {tasks}"
    if "JOB_COMPLETION_INDEX" in environment:
        index = environment["JOB_COMPLETION_INDEX"]
        kind = "JobSet" if "JOBSET_NAME" in environment else "indexed job"
        found[f"Kubernetes {kind}"] = f"index {index}"
    elif "KUBERNETES_SERVICE_HOST" in environment:
        found["Kubernetes"] = "a pod without an index"
    if "CLUSTER_SPEC" in environment or "CLOUD_ML_JOB_ID" in environment:
        found["Vertex AI"] = environment.get("CLOUD_ML_JOB_ID", "CLUSTER_SPEC")
    if "WORLD_SIZE" in environment and "RANK" in environment:
        text = f"rank {environment['RANK']} of {environment['WORLD_SIZE']}"
        found["torchrun's variables"] = f"{text}: nothing here reads them"
    ranks = [name for name in found if name not in ("Kubernetes",)]
    told = "; ".join(f"{name}: {what}" for name, what in found.items())
    if len(ranks) > 1:
        advice = "unset the variables of all but one"
        yield Check(TOPIC, "cluster", "note", f"{told}: {len(ranks)} at once", advice)
    elif "Slurm" in found and tasks.isdecimal() and int(tasks) > 1:
        advice = "--ntasks=1 for a command that is to run once"
        what = f"{told}: pretrain trains with all tasks, other commands run once in each"
        yield Check(TOPIC, "cluster", "note", what, advice)
    else:
        yield Check(TOPIC, "cluster", "ok", told or "none")


def check_variables(environment: Mapping[str, str]) -> Iterator[Check]:
    """Variables that change what libraries do: those known to matter, and the list of all."""
    for name, matters, state, why in _KNOWN:
        value = environment.get(name)
        if value is not None and matters(value):
            found = f"{_shown(name, value)}: {why}"
            yield Check(TOPIC, name, state, found, f"unset {name}")  # type: ignore[arg-type]
    listed_all = [
        _shown(name, value)
        for name, value in sorted(environment.items())
        if _OBEYED.fullmatch(name) and name not in _NOT_OBEYED
    ]
    yield Check(TOPIC, "variables", "ok", ", ".join(listed_all) or "none that changes a library")


def _shown(name: str, value: str) -> str:
    if is_secret(name):
        return f"{name}={MASK}"
    text = redacted(f"{name}={value}")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"

"""A JobSet of Kubernetes: one indexed job with a pod a worker, which has a name that others find.

Of `prepare-data` it has an indexed job for each stage, which begins when the one before is over.

API: https://jobset.sigs.k8s.io/docs/reference/jobset.v1alpha2/. A pod that ends with another exit
code than 0 fails the job, and by its exit code either the whole set, or all pods are made anew.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from electra_cli.cluster.discovery.indexed import DEFAULT_PORT, HOSTS, PORT, SIZE
from electra_cli.errors import ConfigError
from electra_cli.launch.manifest import as_yaml
from electra_cli.launch.plan import (
    FINAL,
    FINALIZE,
    GRACE,
    MARK,
    Launch,
    check_stays,
    chosen,
    needed_image,
)

OPTIONS = {
    "namespace": None,
    "claim": "electra",
    "mount": "/workspace",
    "secret": None,
    "cpu": None,
    "memory": None,
}
"""Options of this system, with their defaults."""

_JOB = "workers"
_TOKEN = "ELECTRA_CLUSTER_TOKEN"
_NAME = re.compile(r"[a-z]([a-z0-9-]*[a-z0-9])?")
_LONGEST = 39  # characters; a pod's name, at most 63, has that of the job, its number and a suffix
_INDEX = "JOB_COMPLETION_INDEX"
_USER = 1000  # of the project's images


def jobset_manifest(launch: Launch, results: tuple[str, str | None] | None) -> str:
    """Returns the manifest, YAML.

    Args:
      launch: Its options are those of OPTIONS.
      results: The option for the folder of results, and what was given for it; None if the command
        has none.

    Raises:
      ConfigError: There is no image or no such option, the name is none for Kubernetes, or results
        would be lost.
    """
    options, metadata = _begin(launch, results)
    job = {
        "parallelism": launch.nodes,
        "completions": launch.nodes,
        "completionMode": "Indexed",
        "backoffLimit": 0,
        "podFailurePolicy": {"rules": [_FINAL]},
        "template": {
            "spec": _pod(launch, options, launch.arguments("indexed"), _addresses(launch, options))
        },
    }
    manifest = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata,
        "spec": {
            "network": {"enableDNSHostnames": True, "subdomain": launch.name},
            "failurePolicy": {
                "maxRestarts": launch.restarts,
                "restartStrategy": "BlockingRecreate",
                "rules": [
                    {
                        "name": "final",
                        "action": "FailJobSet",
                        "onJobFailureReasons": ["PodFailurePolicy"],
                    }
                ],
            },
            "replicatedJobs": [{"name": _JOB, "replicas": 1, "template": {"spec": job}}],
        },
    }
    return as_yaml(
        manifest,
        f"{MARK}; submit it: kubectl apply -f FILE",
        f"# Exit codes {', '.join(map(str, FINAL))} end the set; after any other all pods are made",
        f"# anew, {launch.restarts} times at most.",
    )


def stages_manifest(launch: Launch, results: tuple[str, str | None], stages: Sequence[str]) -> str:
    """Returns the manifest of `prepare-data`, YAML.

    Args:
      launch: See `jobset_manifest`.
      results: See `jobset_manifest`.
      stages: In order.

    Raises:
      ConfigError: See `jobset_manifest`.
    """
    options, metadata = _begin(launch, results)
    jobs: list[dict[str, Any]] = []
    for number, stage in enumerate(stages):
        tasks = 1 if stage == FINALIZE else launch.nodes
        words = ["--stage", stage, "--num-tasks", str(launch.nodes)]
        if stage != FINALIZE:
            words += ["--task-index", f"$({_INDEX})"]
        pod = _pod(launch, options, launch.command, [])
        pod["containers"][0]["args"][1:1] = words
        job = {
            "parallelism": tasks,
            "completions": tasks,
            "completionMode": "Indexed",
            "backoffLimitPerIndex": launch.restarts,
            "podFailurePolicy": {"rules": [_LOST, _FINAL]},
            "template": {"spec": pod},
        }
        replicated = {"name": stage, "replicas": 1, "template": {"spec": job}}
        if number:
            replicated["dependsOn"] = [{"name": stages[number - 1], "status": "Complete"}]
        jobs.append(replicated)
    manifest = {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": metadata,
        "spec": {"replicatedJobs": jobs},
    }
    return as_yaml(
        manifest,
        f"{MARK}; submit it: kubectl apply -f FILE",
        f"# Exit codes {', '.join(map(str, FINAL))} end the set; after any other the task alone",
        f"# is started again, {launch.restarts} times at most.",
    )


_FINAL = {
    "action": "FailJob",
    "onExitCodes": {"containerName": "electra", "operator": "In", "values": list(FINAL)},
}
_LOST = {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}


def _begin(
    launch: Launch, results: tuple[str, str | None] | None
) -> tuple[dict[str, str], dict[str, str]]:
    """The options, and the name of the set and of its namespace."""
    if not _NAME.fullmatch(launch.name) or len(launch.name) > _LONGEST:
        raise ConfigError(
            f"--name {launch.name!r} is no name for a JobSet: small letters, digits and -, "
            f"{_LONGEST} at most",
            hint="--name electra",
        )
    options = chosen(launch, "jobset", OPTIONS)
    if results is not None:
        check_stays(results[1], results[0], [options["mount"]], inside=options["mount"])
    metadata = {"name": launch.name}
    if "namespace" in options:
        metadata["namespace"] = options["namespace"]
    return options, metadata


def _addresses(launch: Launch, options: dict[str, str]) -> list[dict[str, Any]]:
    """The variables by which workers find each other."""
    environment: list[dict[str, Any]] = [
        {"name": HOSTS, "value": f"{launch.name}-{_JOB}-0-{{index}}.{launch.name}"},
        {"name": SIZE, "value": str(launch.nodes)},
        {"name": PORT, "value": str(DEFAULT_PORT)},
    ]
    if "secret" in options:
        key = {"name": options["secret"], "key": "token"}
        environment.append({"name": _TOKEN, "valueFrom": {"secretKeyRef": key}})
    return environment


def _pod(
    launch: Launch,
    options: dict[str, str],
    arguments: Sequence[str],
    environment: list[dict[str, Any]],
) -> dict[str, Any]:
    volumes = [
        {"name": "electra", "persistentVolumeClaim": {"claimName": options["claim"]}},
    ]
    mounts = [{"name": "electra", "mountPath": options["mount"]}]
    limits: dict[str, Any] = {key: options[key] for key in ("cpu", "memory") if key in options}
    if launch.gpus_per_node:
        limits["nvidia.com/gpu"] = str(launch.gpus_per_node)
        # NCCL exchanges data between the GPUs of a pod there, and the default is 64 MB.
        volumes.append({"name": "shared-memory", "emptyDir": {"medium": "Memory"}})
        mounts.append({"name": "shared-memory", "mountPath": "/dev/shm"})
    container: dict[str, Any] = {
        "name": "electra",
        "image": needed_image(launch, "jobset"),
        "workingDir": options["mount"],
        "command": ["electra"],
        # Kubernetes replaces $(NAME), and takes $$ for $.
        "args": [text.replace("$", "$$") for text in arguments],
        **({"env": environment} if environment else {}),
        "volumeMounts": mounts,
    }
    if limits:
        container["resources"] = {"limits": limits}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE,
        "securityContext": {"fsGroup": _USER},
        "containers": [container],
        "volumes": volumes,
    }

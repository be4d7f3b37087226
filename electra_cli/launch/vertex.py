"""A custom job of Vertex AI, which numbers the workers and writes TF_CONFIG by itself.

API: https://cloud.google.com/vertex-ai/docs/reference/rest/v1/CustomJobSpec. Pool 0 is one
machine, the chief; pool 1 has all others.
"""

from __future__ import annotations

import shlex
from typing import Any

from electra_cli.errors import ConfigError
from electra_cli.launch.manifest import as_yaml
from electra_cli.launch.plan import MARK, Launch, check_stays, chosen, needed_image

OPTIONS = {
    "machine": None,
    "accelerator": None,
    "nfs": None,
    "network": None,
    "service-account": None,
}
"""Options of this system, with their defaults."""

_BUCKETS = "/gcs"
_NFS = "/mnt/nfs"
_MOUNT = "electra"


def custom_job(launch: Launch, results: tuple[str, str | None] | None) -> str:
    """Returns the specification, YAML for `gcloud ai custom-jobs create --config`.

    Args:
      launch: Its options are those of OPTIONS.
      results: The option for the folder of results, and what was given for it; None if the command
        has none.

    Raises:
      ConfigError: There is no image, no machine or no such option, or results would be lost.
    """
    options = chosen(launch, "vertex", OPTIONS)
    if not launch.name.isprintable():
        raise ConfigError(
            f"--name {launch.name!r} cannot stand in a line", hint="leave line breaks out of it"
        )
    if "machine" not in options:
        raise ConfigError(
            "--to vertex needs a type of machine", hint="--option machine=g2-standard-8"
        )
    if bool(launch.gpus_per_node) != ("accelerator" in options):
        raise ConfigError(
            "--gpus-per-node and --option accelerator belong together",
            hint="--gpus-per-node 1 --option accelerator=NVIDIA_L4",
        )
    shared = [_BUCKETS]
    pool: dict[str, Any] = {"machineSpec": {"machineType": options["machine"]}, "replicaCount": 1}
    if launch.gpus_per_node:
        pool["machineSpec"]["acceleratorType"] = options["accelerator"]
        pool["machineSpec"]["acceleratorCount"] = launch.gpus_per_node
    if "nfs" in options:
        server, colon, path = options["nfs"].partition(":")
        if not (server and colon and path.startswith("/")):
            raise ConfigError(
                f"--option nfs={options['nfs']} is not SERVER:/PATH",
                hint="--option nfs=10.0.0.2:/share",
            )
        pool["nfsMounts"] = [{"server": server, "path": path, "mountPoint": _MOUNT}]
        shared.insert(0, f"{_NFS}/{_MOUNT}")
    if results is not None:
        check_stays(results[1], results[0], shared, inside="/workspace")
    pool["containerSpec"] = {
        "imageUri": needed_image(launch, "vertex"),
        "command": ["electra"],
        # What the service says to a machine that is alone is nothing to build on.
        "args": launch.arguments("tf-config" if launch.nodes > 1 else "none"),
    }
    pools = [pool]
    if launch.nodes > 1:
        pools.append({**pool, "replicaCount": launch.nodes - 1})
    job: dict[str, Any] = {
        "workerPoolSpecs": pools,
        "scheduling": {"restartJobOnWorkerRestart": True},
    }
    for key, name in {"network": "network", "service-account": "serviceAccount"}.items():
        if key in options:
            job[name] = options[key]
    return as_yaml(
        job,
        f"{MARK}; submit it:",
        f"# gcloud ai custom-jobs create --region=REGION --display-name={shlex.quote(launch.name)} "
        "--config=FILE",
    )

"""What is rendered for each system, and the arguments that come back out of it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import yaml

from electra_cli.launch.jobset import jobset_manifest, stages_manifest
from electra_cli.launch.plan import Launch
from electra_cli.launch.slurm import sbatch_script, stages_script
from electra_cli.launch.vertex import custom_job

GOLDEN = Path(__file__).with_name("golden")
COMMAND = ("pretrain", "--preset", "small", "--data", "data", "--model-dir", "runs/mine")

SLURM = Launch(COMMAND, 4, gpus_per_node=8, name="mine", options={"time": "24:00:00"})
JOBSET = Launch(COMMAND, 4, gpus_per_node=8, image="registry/electra:gpu", restarts=50)
VERTEX = Launch(
    tuple(word.replace("runs/", "/mnt/nfs/electra/runs/") for word in COMMAND),
    4,
    gpus_per_node=1,
    image="registry/electra:gpu",
    options={
        "machine": "g2-standard-8",
        "accelerator": "NVIDIA_L4",
        "nfs": "10.0.0.2:/share",
        "network": "projects/1/global/networks/mine",
    },
)

PREPARE = ("prepare-data", "texts", "--output", "data", "--deduplicate", "documents")
STAGES = ["scan", "vocabulary", "prepare", "finalize"]
SLURM_STAGES = Launch(PREPARE, 100, name="books", options={"time": "4:00:00"})
JOBSET_STAGES = Launch(PREPARE, 100, name="books", image="registry/electra:cpu", restarts=50)


def results(launch: Launch) -> tuple[str, str | None]:
    command = launch.command
    option = "--output" if command[0] == "prepare-data" else "--model-dir"
    return option, command[command.index(option) + 1]


RENDERED: dict[str, Callable[[], str]] = {
    "job.sbatch": lambda: sbatch_script(SLURM),
    "jobset.yaml": lambda: jobset_manifest(JOBSET, results(JOBSET)),
    "stages.sbatch": lambda: stages_script(SLURM_STAGES, STAGES),
    "stages.yaml": lambda: stages_manifest(JOBSET_STAGES, results(JOBSET_STAGES), STAGES),
    "vertex.yaml": lambda: custom_job(VERTEX, results(VERTEX)),
}


SRUN = """
while [[ $1 == -* ]]; do shift; done
highest=0
for code in {codes}; do
  SCRIPT=$PPID CODE=$code "$@" || {{ code=$?; [ $code -lt $highest ] || highest=$code; }}
done
exit $highest
"""
"""The program of this name. Workers know the script's process as SCRIPT, how to end as CODE."""


def add_program(folder: Path, name: str, body: str) -> None:
    """Makes one for bash."""
    program = folder / name
    program.write_text(f"#!/bin/bash\n{body}\n")
    program.chmod(0o755)


def of_bash(script: str, folder: Path) -> list[str]:
    """What electra is called with, in a shell that finds programs of ours for `srun`."""
    add_program(folder, "srun", SRUN.format(codes="0"))
    add_program(folder, "electra", 'printf "%s\\0" "$@"')
    done = subprocess.run(
        ["/bin/bash", "-c", script], env={"PATH": str(folder)}, capture_output=True, check=True
    )
    return done.stdout.decode().split("\0")[:-1]


def of_kubernetes(manifest: str) -> list[str]:
    """What electra is called with in a pod, where $$ is $ and a $ alone would begin a variable."""
    (job,) = yaml.safe_load(manifest)["spec"]["replicatedJobs"]
    (container,) = job["template"]["spec"]["template"]["spec"]["containers"]
    halves = [text.split("$$") for text in container["args"]]
    assert not any("$" in half for parts in halves for half in parts)
    return ["$".join(parts) for parts in halves]


def of_vertex(job: str) -> list[str]:
    """What electra is called with, in each pool the same."""
    pools = [pool["containerSpec"]["args"] for pool in yaml.safe_load(job)["workerPoolSpecs"]]
    assert pools[0] == pools[-1]
    return pools[0]

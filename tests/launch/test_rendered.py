"""Scripts and manifests: what was reviewed, what their readers know, what they do."""

from __future__ import annotations

import dataclasses
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from kubeflow_trainer_api.models.jobset_v1alpha2_job_set import JobsetV1alpha2JobSet

from electra_cli.cluster.discovery.choice import find_cluster
from electra_cli.errors import ConfigError
from electra_cli.launch.jobset import jobset_manifest, stages_manifest
from electra_cli.launch.manifest import as_yaml
from electra_cli.launch.plan import FINAL, TRY_AGAIN, Launch, parse_options
from electra_cli.launch.slurm import sbatch_script, stages_script
from electra_cli.launch.vertex import custom_job
from tests.launch.rendered import (
    COMMAND,
    GOLDEN,
    JOBSET,
    JOBSET_STAGES,
    PREPARE,
    RENDERED,
    SLURM,
    SRUN,
    STAGES,
    VERTEX,
    add_program,
    of_bash,
    of_kubernetes,
    of_vertex,
    results,
)


@pytest.mark.parametrize("name", RENDERED)
def test_texts_are_those_that_were_reviewed(name: str) -> None:
    assert RENDERED[name]() == (GOLDEN / name).read_text("utf-8")


def test_a_jobset_is_all_known_to_kubernetes() -> None:
    """Keys that the models of its API do not have would be lost on the way through them."""
    launch = dataclasses.replace(
        JOBSET,
        options={"namespace": "team", "secret": "token", "cpu": "8", "memory": "32Gi"},
    )
    manifest = yaml.safe_load(jobset_manifest(launch, results(launch)))
    known = JobsetV1alpha2JobSet.from_dict(manifest)
    assert known is not None
    assert known.to_dict() == manifest


def test_stages_of_a_jobset_follow_each_other_and_are_all_known_to_kubernetes() -> None:
    launch = dataclasses.replace(JOBSET_STAGES, options={"namespace": "team", "cpu": "8"})
    manifest = yaml.safe_load(stages_manifest(launch, results(launch), STAGES))
    known = JobsetV1alpha2JobSet.from_dict(manifest)
    assert known is not None
    assert known.to_dict() == manifest
    jobs = manifest["spec"]["replicatedJobs"]
    assert [job["name"] for job in jobs] == STAGES
    before = [job.get("dependsOn", [{"name": None}])[0]["name"] for job in jobs]
    assert before == [None, *STAGES[:-1]]
    for stage, job in zip(STAGES, jobs, strict=True):
        spec = job["template"]["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        own = ["--stage", stage, "--num-tasks", "100", "--task-index", "$(JOB_COMPLETION_INDEX)"]
        own = own[:4] if stage == "finalize" else own
        assert container["args"] == [PREPARE[0], *own, *PREPARE[1:]]
        assert spec["completions"] == spec["parallelism"] == (1 if stage == "finalize" else 100)
        longest = f"{'n' * 39}-{stage}-0-{spec['completions'] * 100 - 1}-abcde"
        assert len(longest) <= 63


def run_stages(folder: Path, *arguments: str, **environment: str) -> list[list[str]]:
    """What the script calls of `sbatch` and `electra`, each a list of words."""
    log = folder / "log"
    write = f'printf "%s\\0" "$(basename "$0")" "$@" >> {log}; echo >> {log}'
    add_program(folder, "sbatch", f'{write}\n[ -z "$REFUSED" ] || exit 9\necho "$$;cluster"')
    add_program(folder, "electra", f"{write}\nexit ${{CODE:-0}}")
    add_program(folder, "scontrol", write)
    add_program(folder, "srun", '"$@"')
    log.write_bytes(b"")
    done = subprocess.run(
        [BASH, GOLDEN / "stages.sbatch", *arguments],
        env={"PATH": f"{folder}:/usr/bin:/bin", "SLURM_JOB_ID": "7", **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr == ""
    lines = [line.split("\0")[:-1] for line in log.read_text().splitlines()]
    return [[str(done.returncode)], done.stdout.splitlines(), *lines]


def test_stages_are_submitted_one_after_the_other(tmp_path: Path) -> None:
    code, told, *calls = run_stages(tmp_path)
    assert (code, len(calls)) == (["0"], 4)
    numbers = [line.split()[-1] for line in told]
    assert told == [f"{stage}: job {n}" for stage, n in zip(STAGES, numbers, strict=True)]
    for place, (stage, call) in enumerate(zip(STAGES, calls, strict=True)):
        expected = ["sbatch", "--parsable", f"--job-name=books-{stage}"]
        expected += [] if stage == "finalize" else ["--array=0-99"]
        if place:
            expected += [f"--dependency=afterok:{numbers[place - 1]}", "--kill-on-invalid-dep=yes"]
        assert call == [*expected, str(GOLDEN / "stages.sbatch"), stage]
    code, told, *calls = run_stages(tmp_path, REFUSED="yes")
    assert (code, told, len(calls)) == (["9"], [], 1)


@pytest.mark.parametrize("stage", ["prepare", "finalize"])
def test_a_job_of_a_stage_is_one_task(tmp_path: Path, stage: str) -> None:
    code, told, *calls = run_stages(tmp_path, stage, SLURM_ARRAY_TASK_ID="3")
    own = ["--stage", stage, "--num-tasks", "100"]
    own += [] if stage == "finalize" else ["--task-index", "3"]
    assert calls == [["electra", PREPARE[0], *own, *PREPARE[1:]]]
    assert (code, told) == (["0"], [])
    for ended, again in ((75, True), (65, False)):
        code, _, _, *calls = run_stages(
            tmp_path, stage, SLURM_ARRAY_TASK_ID="3", CODE=str(ended), SLURM_RESTART_COUNT="19"
        )
        assert (code, calls) == ([str(ended)], [["scontrol", "requeue", "7"]] * again)


def test_workers_of_a_jobset_find_each_other() -> None:
    manifest = yaml.safe_load(RENDERED["jobset.yaml"]())
    job = manifest["spec"]["replicatedJobs"][0]
    container = job["template"]["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one["value"] for one in container["env"]}
    environment["JOB_COMPLETION_INDEX"] = "3"
    cluster = find_cluster("indexed", environment)
    assert cluster is not None
    # <jobset>-<replicated job>-<job>-<pod>.<subdomain>
    subdomain = manifest["spec"]["network"]["subdomain"]
    name = f"{manifest['metadata']['name']}-{job['name']}-0-3.{subdomain}"
    assert cluster.addresses[3] == f"{name}:2222"
    assert job["template"]["spec"]["completions"] == cluster.size


def test_exit_codes_are_known_and_decide() -> None:
    from electra_cli import errors

    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    codes = {kind.exit_code for kind in kinds if hasattr(kind, "exit_code")}
    assert codes | {1} == {*FINAL, *TRY_AGAIN}


ARGUMENTS = [
    "a b", "it's", '"', "$HOME", "$(date)", "$$", "$$(A)", "`ls`", "a\nb", "a\r\nb", "\t", "\\",
    "\\n", "ü", "日本語", "é\u0301", "\u2028", "\x1b[1m", "\x7f", "", " ", "#", "!x", "*", "~",
    "{a,b}", "a;b", "&", "1e-4", "1_000", "0x1f", "010", "12:30", "yes", "y", "NO", "null", ".inf",
    "=", "<<", "- a", "a: b", "@a", "%a", "|", ">", "2026-01-01", "{{x}}", "{mark}", "--", "-x",
    "true", "\ufeff", "\x85", "\U0001f600",
]  # fmt: skip


def test_arguments_come_through_as_they_are(tmp_path: Path) -> None:
    random.seed(19)
    mixed = ["".join(random.choices("ab $'\"\\\n\r\t`!#{}()é日%*", k=12)) for _ in range(200)]
    command = ("pretrain", *ARGUMENTS, *mixed)
    expected = [command[0], "--cluster", "{}", *command[1:]]

    def of(cluster: str) -> list[str]:
        return [cluster if word == "{}" else word for word in expected]

    launch = Launch(("prepare-data", *command[1:]), 2, image="i")
    script = stages_script(launch, ["prepare", "finalize"])
    own = ["--stage", "finalize", "--num-tasks", "2"]
    assert of_bash(f"set -- finalize\n{script}", tmp_path) == ["prepare-data", *own, *command[1:]]
    jobs = yaml.safe_load(stages_manifest(launch, ("", ""), ["prepare", "finalize"]))
    pod = jobs["spec"]["replicatedJobs"][1]["template"]["spec"]["template"]["spec"]
    args = [text.replace("$$", "$") for text in pod["containers"][0]["args"]]
    assert args == ["prepare-data", *own, *command[1:]]

    launch = Launch(command, 2, image="i", options={})
    assert of_bash(sbatch_script(launch), tmp_path) == of("slurm")
    assert of_kubernetes(jobset_manifest(launch, None)) == of("indexed")
    options = {"machine": "m"}
    launch = dataclasses.replace(launch, options=options)
    assert of_vertex(custom_job(launch, None)) == of("tf-config")


def test_texts_of_yaml_are_quoted_unless_every_reader_takes_them_for_texts() -> None:
    """Go reads 1e-4 as a number, and older YAML y as true; Python's writer knows neither."""
    lines = as_yaml({"a": ARGUMENTS}).splitlines()[1:]
    plain = [line for line in lines if not line.startswith('- "')]
    assert plain == []
    assert as_yaml({"env": ["pretrain", "runs/mine"]}) == "env:\n- pretrain\n- runs/mine\n"


BASH = shutil.which("bash") or "/bin/bash"


@pytest.mark.parametrize("name", ["job.sbatch", "stages.sbatch"])
def test_the_script_is_one_for_bash_and_its_linter(name: str) -> None:
    script = GOLDEN / name
    assert subprocess.run([BASH, "-n", script], check=False).returncode == 0
    linter = Path(sys.executable).with_name("shellcheck")
    done = subprocess.run([linter, script], capture_output=True, text=True, check=False)
    assert done.stdout == ""
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("codes", "code", "is_requeued"),
    [
        *(([code, code], code, code in TRY_AGAIN) for code in (0, 130, *TRY_AGAIN, *FINAL)),
        *(([75, code, 75], code, False) for code in (*FINAL, 126, 127, 130)),
        *(([143, code], code, False) for code in FINAL),
        ([2, 66, 75], 66, False),
        ([0, 75], 75, True),
        ([143, 75], 143, True),
        ([137, 137], 137, False),
        ([253, 75], 253, False),
    ],
)
def test_which_jobs_go_back_into_the_queue(
    tmp_path: Path, codes: list[int], code: int, is_requeued: bool
) -> None:
    """An error of one worker counts for more than what the others end with because of it."""
    assert ended(tmp_path, codes) == (code, is_requeued)


@pytest.mark.parametrize(
    ("codes", "environment", "body", "code", "is_requeued"),
    [
        ([75], {"SLURM_RESTART_COUNT": "19"}, "", 75, True),
        ([75], {"SLURM_RESTART_COUNT": "20"}, "", 75, False),
        ([143], {}, "kill $SCRIPT", 143, False),  # `scancel` tells the script too
        ([143, 74], {}, "kill -TERM $PPID; kill -HUP $PPID; kill -INT $PPID", 74, False),
    ],
)
def test_jobs_that_were_told_to_end(
    tmp_path: Path,
    codes: list[int],
    environment: dict[str, str],
    body: str,
    code: int,
    is_requeued: bool,
) -> None:
    assert ended(tmp_path, codes, body, **environment) == (code, is_requeued)


def ended(folder: Path, codes: list[int], body: str = "", **environment: str) -> tuple[int, bool]:
    """How the script ends for workers that do something and end so, and whether it comes again."""
    add_program(folder, "srun", SRUN.format(codes=" ".join(map(str, codes))))
    add_program(folder, "electra", f"{body}\nexit $CODE")
    add_program(folder, "scontrol", 'echo "$@"')
    environment |= {"PATH": str(folder), "SLURM_JOB_ID": "7"}
    done = subprocess.run(
        [BASH, GOLDEN / "job.sbatch"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout in ("", "requeue 7\n")
    return done.returncode, done.stdout != ""


def slurm(*options: str) -> str:
    return sbatch_script(dataclasses.replace(SLURM, options=parse_options(options)))


def test_options_of_sbatch_are_passed_through_and_win() -> None:
    script = slurm("ntasks-per-node=8", "--gpus-per-task=1", "exclusive", "comment=two words")
    lines = [line for line in script.splitlines() if line.startswith("#SBATCH")]
    assert len({re.split("[ =]", line)[1] for line in lines}) == len(lines)
    for line in ("ntasks-per-node=8", "gpus-per-task=1", "exclusive", "comment='two words'"):
        assert f"#SBATCH --{line}" in lines


WRONG = {
    "no option": (lambda: parse_options(["=x"]), "KEY=VALUE"),
    "twice": (lambda: parse_options(["time=1", "time=2"]), "twice"),
    "sbatch: own": (lambda: slurm("nodes=3"), "--nodes"),
    "sbatch: fixed": (lambda: slurm("signal=KILL"), "the script sets it"),
    "sbatch: dependency": (lambda: slurm("dependency=afterok:1"), "the script sets it"),
    "sbatch: line break": (lambda: slurm("comment=a\nrm -rf x"), "cannot stand in a line"),
    "sbatch: quote": (lambda: slurm("comment=it's"), "cannot stand in a line"),
    "command": (lambda: Launch(("report", "r"), 2), "'report' is no command"),
    "nothing": (lambda: Launch((), 2), "nothing is no command"),
    "bytes": (lambda: Launch((*COMMAND, "\udcff"), 2), "not valid UTF-8"),
    "jobset: image": (
        lambda: jobset_manifest(dataclasses.replace(JOBSET, image=None), None), "container image",
    ),
    "jobset: option": (
        lambda: jobset_manifest(dataclasses.replace(JOBSET, options={"claims": "c"}), None),
        "did you mean --option claim=VALUE",
    ),
    "jobset: value": (
        lambda: jobset_manifest(dataclasses.replace(JOBSET, options={"claim": None}), None),
        "--option claim has no value",
    ),
    "jobset: name": (
        lambda: jobset_manifest(dataclasses.replace(JOBSET, name="My_Job"), None), "My_Job",
    ),
    "jobset: lost": (
        lambda: jobset_manifest(JOBSET, ("--model-dir", "/tmp/r")), "--model-dir /tmp/r lies in",
    ),
    "jobset: climbs": (
        lambda: jobset_manifest(JOBSET, ("--model-dir", "../r")), "--model-dir ../r lies in",
    ),
    "vertex: machine": (
        lambda: custom_job(dataclasses.replace(VERTEX, options={}), None), "type of machine",
    ),
    "vertex: GPUs": (
        lambda: custom_job(dataclasses.replace(VERTEX, gpus_per_node=0), None), "belong together",
    ),
    "vertex: name": (
        lambda: custom_job(dataclasses.replace(VERTEX, name="a\nb: c"), None), "cannot stand",
    ),
    "vertex: mount": (
        lambda: custom_job(
            dataclasses.replace(VERTEX, options={**VERTEX.options, "nfs": "server"}), None
        ),
        "SERVER:/PATH",
    ),
    "vertex: lost": (
        lambda: custom_job(VERTEX, ("--model-dir", None)), "--model-dir /mnt/nfs/electra/runs/NAME",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(name: str) -> None:
    render, words = WRONG[name]
    with pytest.raises(ConfigError) as error:
        render()
    assert words in f"{error.value.message} {error.value.hint}"
    assert error.value.hint


def test_a_job_of_one_machine_has_one_pool() -> None:
    job = yaml.safe_load(custom_job(dataclasses.replace(VERTEX, nodes=1), results(VERTEX)))
    (pool,) = job["workerPoolSpecs"]
    assert pool["replicaCount"] == 1
    assert pool["containerSpec"]["args"][:3] == ["pretrain", "--cluster", "none"]

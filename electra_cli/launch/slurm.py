"""Scripts for `sbatch`: a worker a node, or arrays of tasks, and a way back into the queue."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

from electra_cli.errors import ConfigError
from electra_cli.launch.plan import FINALIZE, GRACE, MARK, TRY_AGAIN, Launch

# Options of ours by the name that sbatch has for them, and what must stay as it is.
_OURS = {"nodes": "--nodes", "job-name": "--name", "gpus-per-node": "--gpus-per-node"}
_FIXED = (
    *("signal", "requeue", "no-requeue", "open-mode", "array"),
    *("dependency", "kill-on-invalid-dep", "parsable"),
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WAIT = 300  # seconds; a worker that has ended by itself ends the others long before

_AGAIN = 75
_RAISED = 175  # above 128 + SIGTERM, and what comes of it below 253, srun's own for want of memory

_SCRIPT = """\
#!/bin/bash
{mark}; submit it: sbatch FILE
{settings}

{begin}
# srun ends with the highest code of all workers. Where one has an error others end with {again}, so
# the error has to count for more: each code below {again} is raised by {raised} on its way.
# Signals are for the worker, and its shell waits for it.
# shellcheck disable=SC2016
worker='
trap : TERM HUP INT
electra "$@"
code=$?
[ "$code" -eq 0 ] || [ "$code" -ge {again} ] || code=$((code + {raised}))
exit "$code"
'

# The workers agree among themselves how to end, so a failed one does not end the others here.
srun --kill-on-bad-exit=0 --wait={wait} /bin/bash -c "$worker" \\
  {command}
code=$?
[ "$code" -le {raised} ] || [ "$code" -ge {highest} ] || code=$((code - {raised}))

{end}
"""

_BEGIN = """\
# srun takes no notice of the job's own setting.
[ -z "${SLURM_CPUS_PER_TASK:-}" ] || export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"

# Before the end of its time only the workers of a job hear SIGTERM. This script hears it too where
# somebody cancels the job, and then waits for them without putting it back into the queue.
told=
trap 'told=yes' TERM
"""

_END = """\
# {codes}: the same command can help, and goes on {where}.
case $code in
  {cases})
    if [ -z "$told" ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {restarts} ]; then
      scontrol requeue "$SLURM_JOB_ID"
    fi
    ;;
esac
exit "$code"
"""

# A job without an argument submits the stages; one with the name of a stage is a task of it.
_STAGES = """\
#!/bin/bash
{mark}; submit all stages: bash FILE
# Some tasks of a stage again, such as 3 and 7: sbatch --array=3,7 FILE {last}
{settings}

if [ "$#" -eq 0 ]; then
  after=()
  for stage in {stages}; do
    array=(--array=0-{highest})
    [ "$stage" != {finalize} ] || array=()
    job=$(
      sbatch --parsable --job-name={name}-"$stage" "${{array[@]}}" "${{after[@]}}" "$0" "$stage"
    ) || exit
    job=${{job%%;*}}
    echo "$stage: job $job"
    # All its tasks have to end well; if one does not, what waits for them goes.
    after=(--dependency="afterok:$job" --kill-on-invalid-dep=yes)
  done
  exit
fi

{begin}
task=(--stage "$1" --num-tasks {tasks})
[ "$1" = {finalize} ] || task+=(--task-index "$SLURM_ARRAY_TASK_ID")
srun electra {command} "${{task[@]}}" \\
  {arguments}
code=$?

{end}
"""


def sbatch_script(launch: Launch) -> str:
    """Returns the script.

    Args:
      launch: Its options are those of sbatch, without their dashes.

    Raises:
      ConfigError: An option is one that the script sets, or cannot stand in a line.
    """
    settings = {
        "nodes": str(launch.nodes),
        "ntasks-per-node": "1",
        **({"gpus-per-node": str(launch.gpus_per_node)} if launch.gpus_per_node else {}),
    }
    return _SCRIPT.format(
        mark=MARK,
        settings=_settings(launch, settings),
        begin=_BEGIN,
        wait=_WAIT,
        again=_AGAIN,
        raised=_RAISED,
        highest=_RAISED + _AGAIN,
        command=" ".join(map(_word, ["electra", *launch.arguments("slurm")])),
        end=_end(launch, "at the newest checkpoint"),
    )


def stages_script(launch: Launch, stages: Sequence[str]) -> str:
    """Returns the script of `prepare-data`, an array of jobs for each stage.

    Args:
      launch: Its options are those of sbatch, without their dashes.
      stages: In order.

    Raises:
      ConfigError: See `sbatch_script`.
    """
    command, *arguments = launch.command
    return _STAGES.format(
        mark=MARK,
        settings=_settings(launch, {"ntasks": "1"}),
        begin=_BEGIN,
        last=stages[-2],
        stages=" ".join(stages),
        finalize=FINALIZE,
        highest=launch.nodes - 1,
        tasks=launch.nodes,
        name=_word(launch.name),
        command=command,
        arguments=" ".join(map(_word, arguments)),
        end=_end(launch, "where it was"),
    )


def _end(launch: Launch, where: str) -> str:
    return _END.format(
        codes=" and ".join(map(str, TRY_AGAIN)),
        cases=" | ".join(map(str, TRY_AGAIN)),
        restarts=launch.restarts,
        where=where,
    ).rstrip("\n")


def _settings(launch: Launch, more: Mapping[str, str | None]) -> str:
    """The lines of #SBATCH: what always holds, what the script needs besides, and the options."""
    for key in launch.options:
        if key in _OURS:
            hint = f"electra launch {_OURS[key]} …"
            raise ConfigError(
                f"--option {key}: electra launch has its own option for it", hint=hint
            )
        if key in _FIXED:
            raise ConfigError(
                f"--option {key}: the script sets it, and would not work with another",
                hint=f"leave --option {key} out",
            )
    settings: dict[str, str | None] = {
        "job-name": launch.name,
        **more,
        "signal": f"TERM@{GRACE}",
        "requeue": None,
        "open-mode": "append",
        **launch.options,
    }
    return "\n".join(_setting(key, value) for key, value in settings.items())


def _setting(key: str, value: str | None) -> str:
    if value is None:
        return f"#SBATCH --{key}"
    if _CONTROL.search(value) or "'" in value:
        raise ConfigError(
            f"{key} {value!r} cannot stand in a line of #SBATCH",
            hint="leave quotes and line breaks out of it",
        )
    return f"#SBATCH --{key}={shlex.quote(value)}"


def _word(text: str) -> str:
    """One word for bash, on one line: sbatch refuses scripts with line breaks of DOS."""
    if not _CONTROL.search(text):
        return shlex.quote(text)
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return "$'" + _CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}", text) + "'"

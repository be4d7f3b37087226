"""The cluster of a step of Slurm: one worker for each task of `srun`.

A step may have one task a node, or several, such as one a GPU. Which task runs where follows from
the tasks of each node and the distribution, as in src/common/slurm_step_layout.c of Slurm: block,
cyclic and plane are one rule, by how many tasks a node takes at each turn. An arbitrary
distribution, from a file of hosts, is not supported. SLURM_NODEID and SLURM_LOCALID prove the
result for this task.

A worker's port follows from the job, the step, and the number of the task on its node. A step has
20 of the ports from 12000 to 31999, below those that Linux gives to outgoing connections: enough
for 19 tasks on a node, which are the most, and the place where they meet. Two steps on a node have
the same ones where job + 101 × step is the same modulo 1,000.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from electra_cli.cluster.addresses import Cluster, ports_of
from electra_cli.cluster.discovery.host_list import MOST, expand
from electra_cli.cluster.discovery.variables import first_of, missing, shown, whole_number
from electra_cli.errors import ConfigError

# The step's variables before the job's: a step may have fewer nodes and tasks than its job.
_TASK = "SLURM_PROCID"
_NODES = ("SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST")
_COUNTS = ("SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE")
_TASKS = ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
_JOB = ("SLURM_JOB_ID", "SLURM_JOBID")
_STEP = ("SLURM_STEP_ID", "SLURM_STEPID")
_ORDER = "SLURM_DISTRIBUTION"
_TURN = "SLURM_DIST_PLANESIZE"

# A batch script and the shell of salloc have SLURM_PROCID too; only a step has its number.
NEEDED = ((_TASK,), _STEP, _NODES, _COUNTS, _JOB)
HINT = "start one task for each worker with srun, such as `srun --ntasks-per-node=1 electra …`"

_ONE_COMPONENT = f"{HINT}, in one component of a heterogeneous job"

_FIRST_PORT, _PORTS, _BLOCKS = 12_000, 20, 1_000
_MOST_ON_A_NODE = _PORTS - 1
_STEPS_APART = 101  # blocks
_COUNT = re.compile(r"(?P<tasks>[0-9]{1,9})(?:\(x(?P<nodes>[0-9]{1,9})\))?")
_LARGEST = 2**32 - 1


def is_shown(environment: Mapping[str, str]) -> bool:
    """Whether the environment describes a cluster in this way."""
    return not missing(environment, NEEDED)


def read(environment: Mapping[str, str]) -> Cluster:
    """Returns the cluster of the step that runs this process.

    Raises:
      ConfigError: A variable is malformed, they contradict each other, or the distribution is not
        supported.
    """
    origin, nodes = _variable(environment, _NODES)
    try:
        hosts = expand(nodes)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error.message}", hint=error.hint) from None
    name, text = _variable(environment, _COUNTS)
    counts = _tasks_per_node(text, name)
    size = sum(counts)
    if len(counts) != len(hosts):
        raise _contradiction(f"{origin} has {len(hosts)} nodes, {name} {len(counts)}", nodes, text)
    if max(counts) > _MOST_ON_A_NODE:
        raise ConfigError(
            f"{name} is {shown(text)}: more than {_MOST_ON_A_NODE} tasks on a node, each of which "
            "would be a worker",
            hint="srun --ntasks-per-node=1: one worker uses all GPUs of its node",
        )
    tasks = first_of(environment, *_TASKS)
    if tasks and whole_number(environment[tasks], tasks, least=1, most=_LARGEST) != size:
        raise _contradiction(
            f"{name} adds up to {size} tasks", text, f"{tasks}={environment[tasks]}"
        )

    places = _placement(counts, _turn(environment))
    index = whole_number(environment[_TASK], _TASK, most=size - 1, hint=_ONE_COMPONENT)
    for variable, expected in zip(("SLURM_NODEID", "SLURM_LOCALID"), places[index], strict=True):
        if environment.get(variable, str(expected)).strip() != str(expected):
            raise ConfigError(
                f"{variable} is {environment[variable]} for task {index}, and {expected} follows "
                f"from {name}={text} and the distribution {environment.get(_ORDER, 'block')}",
                hint="srun --distribution=block",
            )
    ports = ports_of(_first_port(environment), max(counts))
    addresses = (f"{hosts[node]}:{ports[local]}" for node, local in places)
    return Cluster(tuple(addresses), index, origin)


def _variable(environment: Mapping[str, str], names: Sequence[str]) -> tuple[str, str]:
    """The first variable that is set, and its value."""
    name = first_of(environment, *names) or names[0]
    return name, environment[name].strip()


def _contradiction(what: str, *values: str) -> ConfigError:
    """An error for variables that do not belong together."""
    return ConfigError(
        f"Slurm's variables contradict each other: {what} ({'; '.join(map(shown, values))})",
        hint=f"they may be left over from another job: {HINT}",
    )


def _tasks_per_node(text: str, origin: str) -> list[int]:
    """ "2(x3),1" -> [2, 2, 2, 1]."""
    counts: list[int] = []
    total = 0
    for item in text.split(","):
        match = _COUNT.fullmatch(item.strip())
        tasks, nodes = (int(match["tasks"]), int(match["nodes"] or 1)) if match else (0, 0)
        if not tasks * nodes:
            raise ConfigError(
                f"{origin} is {shown(text)}: {item!r} is no number of tasks such as 2 or 2(x3)",
                hint=HINT,
            )
        total += tasks * nodes
        if total > MOST:
            raise ConfigError(f"{origin} is {shown(text)}: more than {MOST:,} tasks", hint=HINT)
        counts += [tasks] * nodes
    return counts


def _turn(environment: Mapping[str, str]) -> int:
    """How many tasks a node takes before the next one has its turn."""
    text = environment.get(_ORDER, "").strip()
    order, _, size = re.split("[:,]", text)[0].lower().partition("=")
    if order in ("block", "*", "unknown", ""):  # Slurm leaves it out where it chose block itself
        return MOST
    if order == "cyclic":
        return 1
    if order == "plane":
        origin = f"the plane of {_ORDER}" if size else _TURN
        return whole_number(size or environment.get(_TURN), origin, least=1, most=_LARGEST)
    raise ConfigError(
        f"{_ORDER} is {shown(text)}; block, cyclic and plane tell which task runs where",
        hint="srun --distribution=block",
    )


def _placement(counts: Sequence[int], turn: int) -> list[tuple[int, int]]:
    """Where each task runs: the number of its node, and its own number there."""
    places: list[tuple[int, int]] = []
    first = 0
    while len(places) < sum(counts):
        for node, count in enumerate(counts):
            places += [(node, local) for local in range(first, min(first + turn, count))]
        first += turn
    return places


def _first_port(environment: Mapping[str, str]) -> int:
    job, step = (
        whole_number(environment[name], name, most=_LARGEST)
        for name in (first_of(environment, *_JOB), first_of(environment, *_STEP))
        if name
    )
    return _FIRST_PORT + (job + step * _STEPS_APART) % _BLOCKS * _PORTS

"""Steps of Slurm: which task is which worker, where it runs, and on which port."""

from __future__ import annotations

import itertools
import random

import pytest

from electra_cli.cluster.discovery import slurm
from electra_cli.errors import ConfigError

# Two nodes with two tasks each, as task 2 of `srun --ntasks-per-node=2` sees it.
STEP = {
    "SLURM_JOB_ID": "4242",
    "SLURM_STEP_ID": "0",
    "SLURM_PROCID": "2",
    "SLURM_NODEID": "1",
    "SLURM_LOCALID": "0",
    "SLURM_JOB_NODELIST": "n[1-9]",
    "SLURM_STEP_NODELIST": "n[9-10]",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2)",
    "SLURM_STEP_NUM_TASKS": "4",
    "SLURM_NTASKS": "18",
}
PORT = 12_000 + 242 * 20


def test_a_step() -> None:
    cluster = slurm.read(STEP)
    assert cluster.addresses == (f"n9:{PORT}", f"n9:{PORT + 1}", f"n10:{PORT}", f"n10:{PORT + 1}")
    assert (cluster.index, cluster.origin) == (2, "SLURM_STEP_NODELIST")
    assert cluster.meeting == ("n9", PORT + 18)


@pytest.mark.parametrize(
    ("counts", "order", "hosts"),
    [
        # One task a node: the distribution does not matter.
        ("1(x3)", "block", "a b c"),
        ("1(x3)", "cyclic:block", "a b c"),
        ("1,1,1", None, "a b c"),
        # Several: from Slurm's own examples of layouts.
        ("2(x2),1", None, "a a b b c"),
        ("2(x2),1", "block:cyclic,NoPack", "a a b b c"),
        ("2(x2),1", "*", "a a b b c"),
        ("2(x2),1", "cyclic", "a b c a b"),
        ("2(x2),1", "Cyclic,Pack", "a b c a b"),
        ("3,1,2", "cyclic:fcyclic", "a b c a c a"),
        ("4,1,1", "plane=2", "a a b c a a"),
        ("4,3,2", "plane=3", "a a a b b b c c a"),
        ("1, 2 , 1", "block", "a b b c"),
    ],
)
def test_which_task_runs_where(counts: str, order: str | None, hosts: str) -> None:
    step = {
        "SLURM_JOBID": "1",
        "SLURM_STEPID": "0",
        "SLURM_PROCID": "0",
        "SLURM_NODELIST": "a,b,c",
        "SLURM_TASKS_PER_NODE": counts,
        **({"SLURM_DISTRIBUTION": order} if order else {}),
    }
    cluster = slurm.read(step)
    assert [address.partition(":")[0] for address in cluster.addresses] == hosts.split()
    ports: dict[str, int] = {}
    for address in cluster.addresses:  # its number on its node is a task's place among the ports
        host, _, port = address.partition(":")
        assert int(port) == 12_020 + ports.get(host, 0)
        ports[host] = ports.get(host, 0) + 1


def test_as_many_tasks_as_a_node_may_have_stay_among_their_ports() -> None:
    step = {**STEP, "SLURM_STEP_TASKS_PER_NODE": "19(x2)", "SLURM_STEP_NUM_TASKS": "38"}
    cluster = slurm.read({**step, "SLURM_NODEID": "0", "SLURM_LOCALID": "2"})
    used = {int(address.partition(":")[2]) for address in cluster.addresses}
    assert used | {cluster.meeting[1]} == set(range(PORT, PORT + 20))


def test_the_plane_has_a_variable_of_its_own() -> None:
    plane = {"SLURM_DISTRIBUTION": "plane", "SLURM_DIST_PLANESIZE": "1", "SLURM_PROCID": "3"}
    step = {**STEP, **plane, "SLURM_NODEID": "1", "SLURM_LOCALID": "1"}
    assert [address[:3] for address in slurm.read(step).addresses] == ["n9:", "n10", "n9:", "n10"]
    del step["SLURM_DIST_PLANESIZE"]
    with pytest.raises(ConfigError, match="SLURM_DIST_PLANESIZE is None"):
        slurm.read(step)


def test_every_task_is_placed_once_and_all_tasks_agree() -> None:
    draw = random.Random(5)
    for _ in range(200):
        counts = [draw.randint(1, 8) for _ in range(draw.randint(1, 6))]
        text = ",".join(f"{count}(x{len(list(run))})" for count, run in itertools.groupby(counts))
        size = sum(counts)
        order = draw.choice(["block", "cyclic", f"plane={draw.randint(1, 9)}"])
        step = {
            **STEP,
            "SLURM_STEP_NODELIST": f"n[1-{len(counts)}]",
            "SLURM_STEP_TASKS_PER_NODE": text,
            "SLURM_STEP_NUM_TASKS": str(size),
            "SLURM_DISTRIBUTION": order,
        }
        del step["SLURM_NODEID"], step["SLURM_LOCALID"]
        clusters = [slurm.read({**step, "SLURM_PROCID": str(task)}) for task in range(size)]
        assert len({cluster.addresses for cluster in clusters}) == 1
        assert [cluster.index for cluster in clusters] == list(range(size))
        assert sorted(clusters[0].addresses) == sorted(
            f"n{node + 1}:{PORT + local}"
            for node, count in enumerate(counts)
            for local in range(count)
        )


def test_ports_of_jobs_and_steps_that_may_share_a_node() -> None:
    """They are apart by more than a node has tasks, and stay where services may listen."""
    ports = []
    for job in (1, 2, 999, 1000, 4_294_967_293):
        for step in (0, 1, 2):
            read = slurm.read({**STEP, "SLURM_JOB_ID": str(job), "SLURM_STEP_ID": str(step)})
            ports.append(int(read.addresses[0].partition(":")[2]))
    assert len(set(ports)) == len(ports)
    assert all((port - 12_000) % 20 == 0 for port in ports)
    assert min(ports) >= 12_000
    assert max(ports) + 20 <= 32_000


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"SLURM_PROCID": "4"}, "SLURM_PROCID is '4', which is no whole number from 0 to 3"),
        ({"SLURM_PROCID": "٣"}, "SLURM_PROCID is '٣'"),
        ({"SLURM_PROCID": "x"}, "SLURM_PROCID is 'x'"),
        ({"SLURM_STEP_NODELIST": "n[9-"}, "SLURM_STEP_NODELIST: the list of hosts is malformed"),
        ({"SLURM_STEP_NODELIST": "n[1-999999]"}, "SLURM_STEP_NODELIST: the list of hosts names"),
        ({"SLURM_STEP_NODELIST": "n[1-3]"}, "has 3 nodes, SLURM_STEP_TASKS_PER_NODE 2"),
        ({"SLURM_STEP_NODELIST": "n1,n1"}, "two workers one address"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x3)"}, "has 2 nodes, SLURM_STEP_TASKS_PER_NODE 3"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x2),"}, "'' is no number of tasks"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2x2"}, "'2x2' is no number of tasks"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2(x0)"}, "'2(x0)'"),
        ({"SLURM_STEP_TASKS_PER_NODE": "0,2"}, "'0'"),
        ({"SLURM_STEP_TASKS_PER_NODE": "1(x999999999)"}, "more than 65,536 tasks"),
        ({"SLURM_STEP_TASKS_PER_NODE": "2,20"}, "is '2,20': more than 19 tasks on a node"),
        ({"SLURM_STEP_NUM_TASKS": "5"}, "adds up to 4 tasks ('2(x2)'; 'SLURM_STEP_NUM_TASKS=5')"),
        ({"SLURM_STEP_NUM_TASKS": "many"}, "SLURM_STEP_NUM_TASKS is 'many'"),
        ({"SLURM_JOB_ID": "j"}, "SLURM_JOB_ID is 'j'"),
        ({"SLURM_STEP_ID": "s"}, "SLURM_STEP_ID is 's'"),
        ({"SLURM_DISTRIBUTION": "arbitrary"}, "SLURM_DISTRIBUTION is 'arbitrary'; block, cyclic"),
        ({"SLURM_DISTRIBUTION": "plane=0"}, "the plane of SLURM_DISTRIBUTION is '0'"),
        # It was placed in another way than its variables tell.
        ({"SLURM_DISTRIBUTION": "cyclic"}, "SLURM_NODEID is 1 for task 2, and 0 follows"),
        ({"SLURM_LOCALID": "1"}, "SLURM_LOCALID is 1 for task 2, and 0 follows"),
    ],
)
def test_what_is_wrong(changed: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        slurm.read({**STEP, **changed})
    assert words in caught.value.message
    assert caught.value.hint

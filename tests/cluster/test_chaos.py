"""Random kills: every worker ends as promised, soon, and leaves nothing behind.

CHAOS_STARTS says how many starts there are.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

import pytest

from tests.cluster.workers import Worker, Workers, cluster, gone, living

# Ends by itself now and then, so that kills meet every part of a worker's life.
PROGRAM = """
import random, subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session=True, stdout=subprocess.DEVNULL,
                         stderr=subprocess.DEVNULL)
say("child", child.pid)
member.gather("start", None)
member.ready()
for step in range(random.Random(os.environ["CHAOS"]).randrange(1, 60)):
    member.gather("step", step)
    if member.stop is not None:
        member.gather("leave", None)
        sys.exit(130 if member.stop.signal == signal.SIGINT else 143)
    time.sleep(0.005)
member.gather("leave", None)
"""
FAULTS = ("worker", "trainer", "frozen", "still", signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PROMISED = {0, 75, 130, 143}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAOS_STARTS", "6"))))
def test_every_worker_ends_as_promised(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    size = chance.choice((2, 3))
    with cluster(tmp_path / "run", size, PROGRAM, rendezvous=3.0) as workers:
        for index in range(size):
            workers.start(index, variables={"CHAOS": str(seed)})
        victim = chance.choice(workers.all)
        if chance.random() < 0.7:  # else it is hit on its way to the others
            victim.until("started ")
        fault = chance.choice(FAULTS)
        _hit(victim, fault)
        ended = [_code(worker) for worker in workers.all if worker is not victim]
        if fault == "frozen":
            victim.signal(signal.SIGCONT)
        ended.append(_code(victim))
        promised = PROMISED | ({-int(fault)} if isinstance(fault, int) else {-9})
        assert set(ended) <= promised, (fault, ended)
        _nothing_is_left(workers)


def _hit(victim: Worker, fault: str | signal.Signals) -> None:
    if isinstance(fault, signal.Signals):
        victim.signal(fault)
    elif fault == "worker" or not victim.trainer:
        victim.signal(signal.SIGSTOP if fault == "frozen" else signal.SIGKILL)
    elif fault == "frozen":
        victim.signal(signal.SIGSTOP)
    else:
        os.kill(victim.trainer, signal.SIGKILL if fault == "trainer" else signal.SIGSTOP)


def _code(worker: Worker) -> int:
    return worker.ended()[0]


def _nothing_is_left(workers: Workers) -> None:
    for worker in workers.all:
        if worker.trainer:
            gone(worker.trainer)
        assert not living(worker.process.pid)
        for line in worker.said:
            if line.startswith("child "):
                child = int(line.split()[1])
                if worker.process.returncode == -signal.SIGKILL:  # only its trainer ends with it
                    os.kill(child, signal.SIGKILL)
                gone(child)

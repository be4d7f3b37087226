"""The end of a process that stands still; none of these processes imports TensorFlow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

from electra_cli.cluster.member import Alone
from electra_cli.training.loop.watchdog import Watchdog
from tests.training.runs import finish

BEATING = """
import time
from electra_cli.training.loop.watchdog import Watchdog
with Watchdog(0.6) as watchdog:
    print("ready", flush=True)
    for _ in range(6):
        time.sleep(0.15)
        watchdog.waiting_for("the next tick")
    print("lives", flush=True)
    time.sleep(60)
"""

UNHEARD = """
import os, time
from electra_cli.training.loop.watchdog import Watchdog
os.set_blocking(2, False)
try:
    while True:
        os.write(2, bytes(4096))
except BlockingIOError:
    os.set_blocking(2, True)
with Watchdog(0.5, last_words=0.5):
    time.sleep(60)
"""


def test_a_stopped_process_has_not_stalled() -> None:
    """SIGSTOP for longer than the limit, as a suspended machine would be; then it hangs."""
    process = subprocess.Popen(
        [sys.executable, "-c", BEATING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(1)
    os.kill(process.pid, signal.SIGCONT)
    assert process.stdout.readline() == "lives\n"
    code, _, err = finish(process)
    assert code == 75
    assert "most recent call first" in err


def test_a_stall_that_nobody_reads_about() -> None:
    """stderr is a full pipe, so the stacks cannot be told: the process ends all the same."""
    process = subprocess.Popen([sys.executable, "-c", UNHEARD], stderr=subprocess.PIPE)
    try:
        assert process.wait(timeout=60) == 75
    finally:
        process.kill()
        process.communicate()


def test_in_a_cluster_the_supervisor_counts() -> None:
    said: list[tuple[str, float]] = []

    class Listed(Alone):
        is_alone = False

        def waiting_for(self, what: str, most: float = 0.0, hint: str = "") -> None:
            assert most == 0 or "runtime.stall_timeout" in hint
            said.append((what, most))

    threads = threading.active_count()
    with Watchdog(7.0, worker=Listed()) as watchdog:
        watchdog.waiting_for("step 2")
        assert threading.active_count() == threads
    assert said == [("the start", 7), ("step 2", 7), ("the end", 0)]

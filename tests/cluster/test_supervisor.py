"""Workers as processes: what each of them ends with when something happens to one."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.workers import Workers, cluster, gone, living

# Trains until told to stop, as a run does.
LOOP = """
member.ready()
step = 0
while member.stop is None:
    step = member.gather("step", step)[0] + 1
    if step == 3:
        say("training")
    time.sleep(0.005)
say("saved", step, member.stop.signal, member.stop.worker)
member.gather("leave", None)
sys.exit(130 if member.stop.signal == signal.SIGINT else 143)
"""
WAIT = "member.gather('start', None); say('training'); time.sleep(600)\n"


def test_workers_gather_and_say_goodbye(tmp_path: Path) -> None:
    """The chief outlives none of them, and none of them is lost because it has finished."""
    program = """
say("values", member.gather("a", [member.index, None]), member.of_chief("b", {"x": member.index}))
time.sleep(member.index * 0.3)
"""
    with cluster(tmp_path / "run", 3, program) as workers:
        for worker in workers.start_all():
            values = "values [[0, None], [1, None], [2, None]] {'x': 0}"
            assert (0, values) == (worker.ended()[0], "".join(worker.said[1:]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize("at", [0, 1])
def test_a_signal_stops_all_at_one_gather(tmp_path: Path, number: int, at: int) -> None:
    with cluster(tmp_path / "run", 2, LOOP) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        everyone[at].signal(number)
        saved = {worker.until("saved ") for worker in everyone}
        assert {worker.ended()[0] for worker in everyone} == {130 if number == 2 else 143}
    assert [words.split()[1:] for words in saved] == [[str(int(number)), str(at)]]


@pytest.mark.parametrize("at", [0, 1])
def test_a_trainer_that_crashes_after_all_was_saved_has_stopped_well(
    tmp_path: Path, at: int
) -> None:
    program = f"""
from electra_cli.errors import StoppedError
member.ready()
say("training")
while member.stop is None:
    member.gather("step", None)
    time.sleep(0.01)
member.failed(StoppedError("SIGTERM"))
os.abort() if member.index == {at} else os._exit(143)
"""
    with cluster(tmp_path / "run", 2, program) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        everyone[0].signal(signal.SIGTERM)
        assert [worker.ended()[0] for worker in everyone] == [143, 143]


@pytest.mark.parametrize("at", [0, 2])
def test_a_signal_before_there_is_anything_to_save_ends_all(tmp_path: Path, at: int) -> None:
    with cluster(tmp_path / "run", 3, WAIT) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        everyone[at].signal(signal.SIGTERM)
        for worker in everyone:
            code, said = worker.ended()
            assert code == 143
            assert f"terminated by SIGTERM to {workers.names(at)}" in said


def test_ctrl_c_twice_leaves_at_once(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 2, "member.ready()\n" + WAIT) as workers:
        first, second = workers.start_all()
        first.until("training")
        second.until("training")
        second.signal(signal.SIGINT)
        assert "once more leaves at once" in second.until("note:")
        second.signal(signal.SIGINT)
        for worker in (second, first):
            code, said = worker.ended()
            assert (code, said.splitlines()[-1]) == (130, "interrupted")


def _kill_trainer(number: int) -> Callable[[Workers], None]:
    return lambda workers: os.kill(workers.all[1].trainer, number)


def _kill_worker(index: int, number: int) -> Callable[[Workers], None]:
    return lambda workers: workers.all[index].signal(number)


@pytest.mark.parametrize(
    ("act", "words", "victim"),
    [
        (_kill_trainer(9), "the trainer of {1} was killed by SIGKILL", None),
        (_kill_trainer(11), "the trainer of {1} was killed by SIGSEGV", None),
        (_kill_trainer(6), "the trainer of {1} was killed by SIGABRT", None),
        (_kill_trainer(signal.SIGSTOP), "the trainer of {1} has been stopped for 1 s", None),
        (_kill_worker(1, 9), "{1} was lost: its connection has ended", 1),
        (_kill_worker(0, 9), "{0} was lost: its connection has ended", 0),
        (_kill_worker(1, signal.SIGSTOP), "{1} was lost: nothing was heard of it for 1 s", 1),
        (_kill_worker(0, signal.SIGSTOP), "{0} was lost: nothing was heard of it for 1 s", 0),
    ],
)
def test_the_loss_of_one_ends_the_others(
    tmp_path: Path, act: Callable[[Workers], None], words: str, victim: int | None
) -> None:
    child = "import subprocess; subprocess.Popen(['sleep', '600'])\n"
    with cluster(tmp_path / "run", 3, child + LOOP) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        act(workers)
        expected = words.format(*map(workers.names, range(3)))
        for index, worker in enumerate(everyone):
            if index != victim:
                code, said = worker.ended()
                assert (code, f"error: {expected} |" in said) == (75, True), said
                assert living(worker.process.pid) == []


def test_a_trainer_ends_with_its_supervisor(tmp_path: Path) -> None:
    with cluster(tmp_path / "run", 2, WAIT) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        everyone[1].signal(signal.SIGKILL)
        everyone[1].process.wait()
        gone(everyone[1].trainer)
        assert everyone[0].ended()[0] == 75


@pytest.mark.parametrize("suspended", [0, 1])
def test_a_worker_that_was_suspended_finds_out_that_it_was_lost(
    tmp_path: Path, suspended: int
) -> None:
    with cluster(tmp_path / "run", 2, LOOP) as workers:
        for worker in workers.start_all():
            worker.until("training")
        worker, other = workers.all[suspended], workers.all[1 - suspended]
        worker.signal(signal.SIGSTOP)
        assert other.ended()[0] == 75
        worker.signal(signal.SIGCONT)
        code, said = worker.ended()
        assert code == 75
        assert f"error: {workers.names(suspended)} was lost: nothing was heard" in said


FAILS = """
import threading
error = {error}
def show():
    say("shown", error)
    os._exit(error.exit_code)
if member.index == 1:
    member.failed(error)
    show()
{others}
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("error", "others", "codes", "shown"),
    [
        # It alone, and the others are told.
        ("DataError('bad row')", "", (75, 65, 75), [1]),
        # The others have the same error.
        ("DataError('bad row')", "member.failed(error); show()", (65, 65, 65), [0, 1, 2]),
        # The others only suffer from it.
        (
            "DataError('bad row')",
            "error = TryAgainError('a worker was lost'); member.failed(error); show()",
            (75, 65, 75),
            [1],
        ),
        # TensorFlow may abort those who suffer.
        ("DataError('bad row')", "os.abort()", (75, 65, 75), [1]),
        # It, too, may crash on its way out.
        ("DataError('bad row')\nos._exit = lambda code: os.abort()", "", (75, 65, 75), [1]),
        # Nobody else has said anything.
        ("TryAgainError('locked')", "", (75, 75, 75), [1]),
    ],
)
def test_the_error_of_one_is_told_once(
    tmp_path: Path, error: str, others: str, codes: tuple[int, ...], shown: list[int]
) -> None:
    program = FAILS.format(error=error, others=others)
    with cluster(tmp_path / "run", 3, program) as workers:
        everyone = workers.start_all()
        ended = [worker.ended() for worker in everyone]
    assert tuple(code for code, _ in ended) == codes
    assert [index for index, (_, said) in enumerate(ended) if "shown" in said] == shown
    told = f"error: {workers.names(1)} ended with exit code {codes[1]}: "
    for index, (_, said) in enumerate(ended):
        assert (told in said) == (index not in shown), said


@pytest.mark.parametrize(
    ("is_trainer", "words"),
    [
        (False, "{} was lost: nothing was heard"),
        (True, "the trainer of {} has been stopped"),
    ],
)
def test_an_error_waits_for_news_of_the_worker_it_comes_from(
    tmp_path: Path, is_trainer: bool, words: str
) -> None:
    """TensorFlow notices a worker that is silent before we do."""
    program = """
member.gather("start", None)
say("training")
if member.index == 0:
    sys.stdin.read()
    member.failed(TryAgainError("Unavailable"))
    say("shown")
time.sleep(600)
"""
    with cluster(tmp_path / "run", 3, program, grace=0.5) as workers:
        everyone = workers.start_all()
        for worker in everyone:
            worker.until("training")
        os.kill(everyone[1].trainer if is_trainer else everyone[1].process.pid, signal.SIGSTOP)
        everyone[0].go_on()
        for worker in (everyone[0], everyone[2]):
            code, said = worker.ended()
            assert code == 75
            assert "error: " + words.format(workers.names(1)) in said
            assert "shown" not in said


def test_workers_at_different_places_are_a_fault(tmp_path: Path) -> None:
    program = "member.gather('evaluate' if member.index else 'save', None)"
    with cluster(tmp_path / "run", 2, program) as workers:
        for worker in workers.start_all():
            code, said = worker.ended()
            assert code == 70
            assert f"{workers.names(0)} waits at 'save', {workers.names(1)} waits at 'eval" in said


def test_a_worker_that_has_ended_keeps_its_result(tmp_path: Path) -> None:
    program = """
if member.index == 0:
    sys.exit(0)
sys.stdin.read()
os.kill(os.getpid(), 9)
"""
    with cluster(tmp_path / "run", 2, program) as workers:
        first, second = workers.start_all()
        first.until("started")
        gone(first.trainer)
        second.go_on()
        assert second.ended()[0] == 75
        code, said = first.ended()
        assert code == 0
        assert f"note: the trainer of {workers.names(1)} was killed by SIGKILL" in said


def test_a_worker_that_does_not_end_is_ended(tmp_path: Path) -> None:
    program = "sys.exit(0) if member.index == 0 else time.sleep(600)"
    with cluster(tmp_path / "run", 2, program, linger=0.3) as workers:
        first, second = workers.start_all()
        assert first.ended()[0] == 0
        code, said = second.ended()
        assert code == 75
        assert f"{workers.names(1)} did not end within 0.3 seconds of the chief" in said

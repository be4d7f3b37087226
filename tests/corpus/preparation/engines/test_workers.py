"""Processes that work: what they may not see, and what it means when one ends before it should."""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
import subprocess
import sys
from collections import deque
from contextlib import suppress
from functools import partial
from multiprocessing import forkserver
from pathlib import Path

import pytest

from electra_cli.corpus.preparation.engines.server import start_process
from electra_cli.corpus.preparation.engines.workers import Task, Workers
from electra_cli.environment import shielded_children
from electra_cli.errors import DataError, InputMissingError, TryAgainError
from tests.corpus.preparation.engines import tasks

KILL, ABORT, SEGV = signal.SIGKILL, signal.SIGABRT, signal.SIGSEGV


def reading(tries: list[tasks.Try], folder: Path, name: str = "slice 3") -> Task:
    folder.mkdir()
    return Task(name, "first.txt", partial(tasks.read_or_die, tries, folder))


def test_ctrl_c_is_blocked_from_the_servers_first_moment():
    """In a terminal it reaches all processes, and while modules are imported it is a traceback."""
    with Workers(1) as workers:
        assert workers.one(Task("a", "a", tasks.blocked_signals)) == {signal.SIGINT}
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_a_worker_hears_what_its_parent_has_blocked():
    here, there = multiprocessing.Pipe()
    with here, there:
        process = start_process(tasks.serve_as_in_a_cluster, there)
        try:
            here.send(tasks.blocked_signals)
            assert here.recv() == ("result", {signal.SIGINT})
            process.terminate()
            process.join()
            assert process.exitcode == 128 + signal.SIGTERM
        finally:
            process.kill()


@pytest.mark.parametrize("how", [KILL, ABORT, SEGV, 3])
@pytest.mark.parametrize("count", [1, 2])
def test_a_second_try_is_as_good_as_the_first(tmp_path, how, count):
    seen: list[int] = []
    told: list[str] = []
    queue = deque([
        reading([("a.txt", None)], tmp_path / "a", "slice 2"),
        reading([("b.txt", how), ("b.txt", None)], tmp_path / "b"),
        reading([("c.txt", None)], tmp_path / "c", "slice 4"),
    ])  # fmt: skip
    with Workers(count, told.append) as workers:
        found = {task.name: result for task, result in workers.results(queue, seen.append)}
    assert found == {"slice 2": "a.txt", "slice 3": "b.txt", "slice 4": "c.txt"}
    assert seen[-1] == 15  # what the dead one had done is not counted
    name = how.name if isinstance(how, signal.Signals) else f"exit code {how}"
    assert told == [
        f"slice 3: a worker process that read b.txt ended by {name}; another one tries once more"
    ]


@pytest.mark.parametrize(
    ("tries", "error", "words"),
    [
        ([("a.txt", KILL), ("a.txt", KILL)], DataError, ["read a.txt", "SIGKILL"]),
        ([("a.txt", KILL), ("a.txt", ABORT)], DataError, ["read a.txt", "SIGABRT"]),
        ([("a.txt", 3), ("a.txt", 3)], DataError, ["read a.txt", "exit code 3"]),
        (
            [("a.txt", KILL), ("b.txt", SEGV)],
            TryAgainError,
            ["SIGSEGV at b", "before at a"],
        ),
        ([("", KILL), ("", KILL)], TryAgainError, ["process ended by SIGKILL, and another one be"]),
    ],
)
def test_a_second_death_is_told(tmp_path, tries, error, words):
    """At the same file another try would end alike; what is finished was handed out before."""
    finished = []
    queue = deque([reading([("c.txt", None)], tmp_path / "c"), reading(tries, tmp_path / "a")])
    with Workers(1) as workers, pytest.raises(error) as caught:  # noqa: PT012
        for _, result in workers.results(queue, lambda done: None):
            finished.append(result)
    assert finished == ["c.txt"]
    assert caught.value.message.startswith("slice 3: ")
    assert all(word in caught.value.message for word in words)
    same_command = "goes on where it stopped" if error is DataError else "finished slices are kept"
    assert same_command in caught.value.hint
    assert len(list((tmp_path / "a").iterdir())) == 2


def test_what_a_reader_gives_comes_once_though_it_dies(tmp_path):
    reader = Task("slice 0", "a.gz", partial(tasks.cut, 6, 4, tmp_path))
    with Workers(1) as workers:
        found = workers.results(deque(), lambda done: None, readers=deque([reader]))
        assert [number for _, number in found] == [0, 1, 2, 3, 4, 5]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_reader_stops_while_there_is_something_to_do(tmp_path):
    readers = deque(
        Task("slice 0", "a.gz", partial(tasks.cut, 8, None, tmp_path)) for _ in range(2)
    )
    queue, waiting = deque([Task("slice 1", "b", partial(tasks.read, "b"))]), []
    with Workers(2) as workers:
        for _, result in workers.results(queue, lambda done: None, readers=readers):
            if isinstance(result, int):
                queue.append(Task(f"slice 0-{result}", "a.gz", partial(tasks.read, "a.gz")))
                waiting.append(len(queue))
    assert waiting == [1] * 16


@pytest.mark.parametrize("is_deaf", [False, True])
def test_none_outlives_the_context(tmp_path, is_deaf):
    """Told to end they remove what they were writing; a library that does not listen is killed."""
    task = Task("slice 0", "", partial(tasks.write_for_ever, tmp_path / "x", is_deaf))
    processes: list[int] = []

    def interrupt(done: int) -> None:
        if named := workers._workers[0].file:  # it works, and has said which process it is
            processes.append(int(named))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), Workers(1) as workers:
        workers.one(task, interrupt)
    assert len(list(tmp_path.iterdir())) == is_deaf
    with pytest.raises(ProcessLookupError):
        os.kill(processes[0], 0)


def test_a_killed_command_takes_its_workers_along(tmp_path):
    script = "from tests.corpus.preparation.engines.tasks import tell_and_wait as t; t()"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[4])}
    command = [sys.executable, "-c", script]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=environment
    ) as process:
        assert process.stdout
        handle = os.pidfd_open(int(process.stdout.readline()))
        process.kill()
        select.select([handle], [], [])
        os.close(handle)


def test_errors_come_back_as_they_are(tmp_path):
    with Workers(1) as workers:
        for error in (DataError("bad", hint="mend it"), OSError(28, "full", "x"), ValueError("?")):
            with pytest.raises(type(error)) as caught:
                workers.one(Task("slice 0", "", partial(tasks.fail, error)))
            assert str(caught.value) == str(error)
            assert vars(error).items() <= vars(caught.value).items()
            assert "in fail" in caught.value.__notes__[0]


def test_an_error_ends_its_task_alone():
    queue = deque(
        Task(name, name, partial(tasks.fail, InputMissingError(name))) for name in ("a", "b")
    )
    with Workers(1) as workers:
        found = [str(error) for _, error in workers.results(queue, lambda done: None)]
    assert found == ["a", "b"]


def test_no_thread_is_lost_in_a_fork():
    with Workers(1) as workers:
        workers.one(Task("slice 0", "a", partial(tasks.read, "a")))
        threads = Path(f"/proc/{forkserver._forkserver._forkserver_pid}/task")
        assert len(list(threads.iterdir())) == 1


@pytest.fixture
def shadows(tmp_path: Path) -> Path:
    """A folder with files that are named as modules which every worker needs."""
    folder = tmp_path / "here"
    (folder / "numpy").mkdir(parents=True)
    names = ("types.py", "random.py", "tokenizers.py", "numpy/__init__.py", "electra_cli.py")
    for name in names:
        (folder / name).write_text("raise SystemExit(__file__ + ' was run')")
    return folder


def prepare_in(folder: Path, corpus: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    script = "import sys; from electra_cli.cli.app import run; sys.exit(run(sys.argv[1:]))"
    if environment:  # only of those that it starts
        setting = f"import os; os.environ.update({environment}); "
        script = script.replace("sys.exit", setting + "sys.exit")
    options = ["--vocab-size", "300", "--sequence-length", "32"]
    return subprocess.run(
        [sys.executable, "-P", "-c", script, "prepare-data", corpus, "--output", "out", *options],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_modules_in_the_working_directory(corpus: Path, shadows: Path) -> None:
    done = prepare_in(shadows, corpus)
    assert done.returncode == 0, done.stderr


def test_a_worker_that_cannot_start(corpus: Path, shadows: Path) -> None:
    """PYTHONPATH is the user's: it is obeyed, and what comes of it is told."""
    done = prepare_in(shadows, corpus, PYTHONPATH=str(shadows))
    assert done.returncode == 70
    assert "worker processes cannot start" in done.stderr
    assert "types.py was run" in done.stderr


@pytest.mark.parametrize("before", [None, "", "1"])
def test_the_environment_is_given_back(monkeypatch: pytest.MonkeyPatch, before: str | None) -> None:
    monkeypatch.delenv("PYTHONSAFEPATH", raising=False)
    if before is not None:
        monkeypatch.setenv("PYTHONSAFEPATH", before)
    with suppress(KeyError), shielded_children():
        assert os.environ["PYTHONSAFEPATH"] == "1"
        raise KeyError
    assert os.environ.get("PYTHONSAFEPATH") == before

"""What a pass has to do, and how much of all passes is done."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace

import pytest

from electra_cli.corpus.preparation.engines.passes import Passes, undone
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.step import Step


class Inline:
    """An engine that does tasks one after the other, and tells of one byte each."""

    def __init__(self):
        self.names = []

    def run(self, tasks, on_progress):
        for number, task in enumerate(tasks):
            self.names.append(task.name)
            result = task.work(lambda file, disk_bytes: None)
            on_progress(number + 1)
            yield task, result


def step(folder, number, log=None):
    path = folder / str(number)
    return Step(str(number), path, partial(path.write_text, ""))


def test_a_task_goes_around_from_its_own_place_and_past_what_is_done(tmp_path):
    engine, told = Inline(), []
    steps = [[step(tmp_path, number) for number in range(5)], [step(tmp_path, 5)]]
    schedule = Schedule(stage="prepare", task_index=2, num_tasks=4)
    steps[0][4].work()
    passes = Passes(engine, schedule, {"a": 1, "c": 3}, lambda *now: told.append(now))
    passes.tell("a", 1)

    def asked_for():
        for number, of_pass in enumerate(steps):
            assert all(one.is_done for before in steps[:number] for one in before)
            yield of_pass

    passes.together("b", asked_for())
    assert engine.names == ["2", "3", "0", "1", "5"]
    # Nobody knows how many steps follow.
    assert {fraction for fraction, _ in told} == {0.25}
    assert [words for _, words in told[-2:]] == ["b: 1", "b: 5"]


def test_what_a_step_cannot_do_is_raised(tmp_path):
    class Failing:
        def run(self, tasks, on_progress):
            yield tasks[0], ValueError(tasks[0].name)

    passes = Passes(Failing(), Schedule(), {"a": 1}, lambda *now: None)
    with pytest.raises(ValueError, match="7"):
        passes.together("a", [[step(tmp_path, 7)]])


def test_slices_are_a_task_s_by_number_and_progress_is_in_bytes(tmp_path):
    engine, told = Inline(), []
    slices = [SimpleNamespace(index=n, disk_bytes=n + 1, label=f"{n}.txt") for n in range(7)]

    def step_of(slice_):
        path = tmp_path / str(slice_.index)
        return Step(f"slice {slice_.index}", path, lambda report: path.write_text(""))

    step_of(slices[4]).work(report=None)
    assert [slice_.index for slice_, _ in undone(slices, step_of)] == [0, 1, 2, 3, 5, 6]
    schedule = Schedule(stage="scan", task_index=1, num_tasks=3)
    passes = Passes(engine, schedule, {"a": 3}, lambda *now: told.append(now))
    assert passes.of_slices("a", slices, step_of) == 1  # of 1 and 4
    assert engine.names == ["slice 1"]
    assert told == [(pytest.approx(6 / 7), "a")]
    assert passes.of_slices("not foreseen", slices, step_of) == 0

"""Strikes workers of a cluster at random moments, starts all again, compares what comes out.

    python -m tests.chaos.clusters --starts 30 --seed 0

The seed decides what happens to which worker in which start, and when. The last line of stdout is a
JSON object with the counts; the exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

from electra_cli.runs.commit import fault_of
from electra_cli.runs.run_folder import RunFolder
from tests.chaos.blows import ABSENT, BLOWS, DROPPED, EVALUATE_EVERY, MOMENTS, Blow, Watch
from tests.chaos.crew import Crew, CrewMember, send, started
from tests.prepared import prepare
from tests.training.runs import metric_lines, options

SIZE, STEPS = 2, 24  # workers and steps of a run
_MOST_STARTS_OF_A_RUN = 5
_RENDEZVOUS = 30  # seconds
_PROMISED = 60.0  # seconds until those end who have met
_HANG = 90.0  # seconds until all have ended
_LONGEST = 300.0  # seconds that a start may take until it has come to the moment of its blow


@dataclass(frozen=True)
class Plan:
    """What a start meets with.

    Attributes:
      blow: What happens.
      victim: The worker that it happens to.
      moment: When, a name of `MOMENTS`.
      delay: Seconds from there to the blow.
    """

    blow: Blow
    victim: int
    moment: str
    delay: float

    def __str__(self) -> str:
        when = f"{self.delay:.2f} s into {self.moment!r}"
        return f"{self.blow.name}, worker {self.victim}, {when}"


@dataclass
class Counts:
    """What has happened.

    Attributes:
      starts: All of them, without those that nothing has happened to.
      blows: How many of each kind.
      moments: The same by when.
      longest: Seconds until the last worker had ended, at most, by kind.
      over: Starts that ended before their blow.
      compared: Runs that came to their end and were compared.
      broken: Each promise that was not kept.
    """

    starts: int = 0
    blows: Counter[str] = field(default_factory=Counter)
    moments: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=dict)
    over: int = 0
    compared: int = 0
    broken: list[str] = field(default_factory=list)


def plans(seed: int) -> Iterator[Plan]:
    """What the starts meet with; each kind, and each moment, as often as any other."""
    chosen = random.Random(seed)
    blows: list[Blow] = []
    moments: list[str] = []
    while True:
        blows = blows or chosen.sample(BLOWS, len(BLOWS))
        moments = moments or chosen.sample(sorted(MOMENTS), len(MOMENTS))
        moment = moments.pop()
        delay = chosen.uniform(0, MOMENTS[moment][1])
        yield Plan(blows.pop(), chosen.randrange(SIZE), moment, delay)


class Trials:
    """Runs one after the other, each started again and again until it has come to its end.

    Args:
      command: The command line of a run in a folder, without `electra`.
      work: A folder.
      undisturbed: The folder of a run that nothing has happened to; None to train one.

    Attributes:
      folder: Of the run that is not over yet.
      counts: What has happened.
    """

    def __init__(
        self, command: Callable[[Path], list[str]], work: Path, undisturbed: Path | None = None
    ) -> None:
        self._command = command
        self._work = work
        self._undisturbed = undisturbed
        self._number = 0
        self.folder = work / "run-0"
        self.counts = Counts()

    def meet(self, plan: Plan) -> None:
        """Starts the run, lets something happen, and checks what is promised.

        Raises:
          AssertionError: A promise is broken.
        """
        without = plan.victim if plan.blow is ABSENT else None
        self.counts.starts += 1
        with self._started(self.folder, without=without, apart=plan.blow is DROPPED) as crew:
            seen = Watch(crew, self.folder)
            if plan.blow is not ABSENT and not _reached(plan, seen, crew):
                self.counts.over += 1
                assert {one.process.returncode for one in crew.members} == {0}, _told(crew)
                return
            have_met, before = seen.have_met(), time.monotonic()
            frozen = plan.blow.strike(crew, plan.victim)
            self.counts.blows[plan.blow.name] += 1
            self.counts.moments[plan.moment if plan.blow is not ABSENT else "-"] += 1
            late = crew.wait([one for one in crew.members if one not in frozen], _HANG)
            if frozen:
                for member in frozen:
                    for pid in member.left():
                        send(pid, signal.SIGCONT)
                self._note(plan.blow.name, time.monotonic() - before)
                before = time.monotonic()
                late += crew.wait(frozen, _HANG)
            took = time.monotonic() - before
            name = f"{plan.blow.name}, continued" if frozen else plan.blow.name
            self._note(name, took)
            assert not late, f"still there after {_HANG:g} s: {_told(crew)}"
            assert took < (_PROMISED if have_met else _HANG), f"{took:.0f} s"
            self._check(plan, crew, have_met=have_met, is_finished=seen.is_finished())

    def compare(self) -> None:
        """Lets the run come to its end, and compares what has come of it.

        Raises:
          AssertionError: It is not what comes of a run that nothing happens to.
        """
        folder = self.folder
        self._number += 1
        self.folder = self._work / f"run-{self._number}"
        assert self._finished(folder) == self._expected, "another result"
        self.counts.compared += 1

    @cached_property
    def _expected(self) -> Any:
        if self._undisturbed is not None:
            return outcome_of(self._undisturbed)
        return self._finished(self._work / "undisturbed")

    def _started(
        self, folder: Path, *, without: int | None = None, apart: bool = False
    ) -> AbstractContextManager[Crew]:
        command = [*self._command(folder), "--rendezvous-timeout", str(_RENDEZVOUS)]
        return started(self._work, command, SIZE, without=without, apart=apart)

    def _finished(self, folder: Path) -> Any:
        """Lets a start come to its end; its outcome."""
        with self._started(folder) as crew:
            assert not crew.wait(crew.members, _LONGEST), f"no end: {_told(crew)}"
            assert {one.process.returncode for one in crew.members} == {0}, _told(crew)
            printed = [json.loads(one.stdout.read_text()) for one in crew.members]
        result = json.loads(RunFolder(folder).result.read_text())
        assert printed == [result] * SIZE
        return outcome_of(folder)

    def _note(self, name: str, seconds: float) -> None:
        longest = self.counts.longest
        longest[name] = max(longest.get(name, 0.0), round(seconds, 1))

    def _check(self, plan: Plan, crew: Crew, *, have_met: bool, is_finished: bool) -> None:
        """Makes sure that all has ended as promised, and that nothing else is left."""
        for member in crew.members:
            code = member.process.returncode
            promised = plan.blow.promised(member, plan.victim, have_met=have_met)
            assert code in promised | ({0} if is_finished else set()), (
                f"worker {member.index} ended with {code}, not {promised}: {_told(crew)}"
            )
            if code > 1:  # and not Python's own
                error = json.loads(member.stdout.read_text())["error"]
                assert error["exit_code"] == code, _told(crew)
                assert "Traceback" not in member.stderr.read_text(), _told(crew)
            if code == 75:
                named = f"worker {plan.blow.blamed(member, plan.victim)}"
                assert named in error["message"], f"{named} is not named: {_told(crew)}"
            left = member.left_behind()
            assert not left, f"left of worker {member.index}: {left}"
        for checkpoint in RunFolder(self.folder).all_checkpoints():
            assert fault_of(checkpoint.path, checkpoint.step) is None, checkpoint.path


def outcome_of(folder: Path) -> Any:
    """What there is to compare of a run that has come to its end."""
    result = json.loads(RunFolder(folder).result.read_text())
    lines = {kind: metric_lines(folder, kind) for kind in ("train", "validation")}
    return result["state_sha256"], result["evaluation"], lines


def _reached(plan: Plan, seen: Watch, crew: Crew) -> bool:
    """Waits for the moment of a blow; whether it came before all had ended."""
    has_come, _ = MOMENTS[plan.moment]
    deadline = time.monotonic() + _LONGEST
    while not has_come(seen):
        if all(one.process.poll() is not None for one in crew.members):
            return False
        assert time.monotonic() < deadline, f"no progress: {_told(crew)}"
        time.sleep(0.002)
    time.sleep(plan.delay)
    return any(one.process.poll() is None for one in crew.members)


def _told(crew: Crew) -> str:
    """What workers have ended with and said."""

    def of(one: CrewMember) -> str:
        ends = [path.read_text()[-1500:] for path in (one.stdout, one.stderr)]
        return f"\nworker {one.index}: {one.process.poll()}, {''.join(ends)}"

    return "".join(map(of, crew.members))


def run(data: Path, work: Path, starts: Sequence[Plan]) -> Counts:
    """Starts so often, and compares each run that came to its end."""
    every = ("--set", f"train.evaluate_every={EVALUATE_EVERY}")
    trials, of_this_run = Trials(lambda run: options(data, run, *every, steps=STEPS), work), 0

    def check(number: int, plan: Plan, promise: Callable[[], None]) -> None:
        try:
            promise()
        except AssertionError as error:
            trials.counts.broken.append(f"start {number}, {plan}: {error}")
            sys.stderr.write(f"BROKEN: {error}\n")

    for number, plan in enumerate(starts):
        before, of_this_run = time.monotonic(), of_this_run + 1
        check(number, plan, partial(trials.meet, plan))
        is_last = number == len(starts) - 1 or of_this_run == _MOST_STARTS_OF_A_RUN
        if is_last or RunFolder(trials.folder).result.exists():
            of_this_run = 0
            check(number, plan, trials.compare)
        sys.stderr.write(f"{number}, {time.monotonic() - before:.0f} s: {plan}\n")
    return trials.counts


def main() -> int:
    """The long version."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one start of them, of a run of its own")
    chosen = parser.parse_args()
    found = list(islice(plans(chosen.seed), chosen.starts))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        counts = run(_make_data(work), work, found if chosen.only is None else [found[chosen.only]])
    sys.stdout.write(json.dumps({"seed": chosen.seed, **vars(counts)}) + "\n")
    return 1 if counts.broken else 0


def _make_data(work: Path) -> Path:
    from pydoc_data.topics import topics

    corpus, data = work / "topics.jsonl", work / "data"
    lines = [json.dumps({"id": name, "text": topics[name]}) for name in sorted(topics)[:40]]
    corpus.write_text("\n".join(lines) + "\n", encoding="utf-8")
    prepare(
        inputs=corpus, output=data, vocab_size=600, sequence_length=32, workers=1,
        validation_fraction=0.1, seed=0,
    )  # fmt: skip
    return data


if __name__ == "__main__":
    sys.exit(main())

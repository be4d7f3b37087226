"""Kills whoever prepares data at random moments, under all engines, and compares what comes out.

    python -m tests.chaos.engines --kills 20 --seed 0

A folder is prepared by one engine after the other, each of which goes on where the one before was
killed. The seed decides who is killed in which start, and when. The last line of stdout is a JSON
object with the counts; the exit code is 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.preparation.engines.schedule import STAGES
from electra_cli.errors import ElectraError, exit_code_of
from tests.corpus.corpora import folder_bytes, make_documents, write_text
from tests.corpus.preparation.engines.clusters import dask_cluster
from tests.corpus.preparation.engines.conftest import nearly
from tests.prepared import prepare

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.prepared", "distributed"])

OPTIONS = {
    "sequence_length": 32, "slice_bytes": 4000, "validation_fraction": 0.05, "vocab_size": 300,
    "duplicates": DuplicateOptions(paragraphs=True, near_duplicates=0.8),
}  # fmt: skip
_TRY_AGAIN = 75
_LONGEST = 120.0  # seconds that a start may take


def _prepare(told: Connection, texts: Path, out: Path, schedule: dict[str, Any]) -> None:
    """Prepares in a process of its own, which says that it works, and ends as a command would."""
    begun = False

    def on_progress(fraction: float, words: str) -> None:
        nonlocal begun
        if not begun:
            told.send("")
        begun = True

    try:
        prepare(texts, out, on_progress=on_progress, **schedule, **OPTIONS)
    except ElectraError as error:
        told.send(f"{error.message}; {error.hint}")
        sys.exit(exit_code_of(error))


class Start:
    """A command that prepares.

    Args:
      texts: What.
      out: Where to.
      schedule: How the work is divided.
    """

    def __init__(self, texts: Path, out: Path, **schedule: Any) -> None:
        self._told, there = multiprocessing.Pipe(duplex=False)
        arguments = (there, texts, out, schedule)
        self.process = _CONTEXT.Process(target=_prepare, args=arguments)
        self.process.start()
        there.close()

    def begun(self) -> None:
        """Waits until it is at work, or over."""
        self._told.poll(_LONGEST)

    def ended(self) -> int:
        """Waits for its end, and returns its exit code.

        Raises:
          AssertionError: It takes too long.
        """
        self.process.join(_LONGEST)
        code = self.process.exitcode
        assert code is not None, "it hangs"
        return code

    def error(self) -> str:
        """What it has said last, and once."""
        said = ""
        with suppress(EOFError):
            while True:
                said = self._told.recv()
        return said

    def itself(self) -> list[int | None]:
        """The process of the command."""
        return [self.process.pid]

    def workers(self) -> list[int]:
        """The processes that its server has forked."""
        return [worker for server in children(self.process.pid) for worker in children(server)]


def children(pid: int | None) -> list[int]:
    """The processes that one has started."""
    with suppress(OSError):
        return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def kill(pids: Sequence[int | None], chosen: random.Random) -> bool:
    """Kills one of them; returns whether there was one."""
    there = [pid for pid in pids if pid is not None]
    with suppress(ProcessLookupError):
        if there:
            os.kill(chosen.choice(there), signal.SIGKILL)
            return True
    return False


@dataclass
class Counts:
    """What has happened.

    Attributes:
      kills: Processes that were killed, by what they were.
      starts: Commands that were started, those of an array together.
      folders: Folders that were prepared to the end and compared.
      broken: What repeats each that was not what it should be.
    """

    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    folders: int = 0
    broken: list[str] = field(default_factory=list)


@dataclass
class Chaos:
    """A text, and how long it takes.

    Attributes:
      texts: The text.
      work: A folder for all that is made.
      counts: What has happened.
      seconds: That commands work when nothing happens to them.
    """

    texts: Path
    work: Path
    counts: Counts = field(default_factory=Counts)
    seconds: dict[str, float] = field(default_factory=dict)

    def local(self, out: Path, chosen: random.Random, who: str) -> bool:
        """One command, which is killed or loses a worker; returns whether it has finished."""
        start = Start(self.texts, out, workers=2)
        hit = self._strike(
            who, start, chosen, "local",
            start.workers if who == "local worker" else start.itself,
        )  # fmt: skip
        return self._end(start, 0 if who == "local worker" else -signal.SIGKILL, hit)

    def dask(self, out: Path, chosen: random.Random, who: str) -> bool:
        """The same of a cluster."""
        with dask_cluster(self._folder(), 2) as (file, (scheduler, *workers)):
            start = Start(self.texts, out, engine="dask", engine_args=(f"scheduler={file}",))
            pids = {
                "Dask scheduler": [scheduler.pid],
                "Dask worker": [worker.pid for worker in workers],
                "command with Dask": start.itself(),
            }
            hit = self._strike(who, start, chosen, "dask", lambda: pids[who])
            promised = {"Dask scheduler": _TRY_AGAIN, "Dask worker": 0}
            return self._end(start, promised.get(who, -signal.SIGKILL), hit)

    def array(self, out: Path, chosen: random.Random, who: str) -> bool:
        """Two tasks of each stage at once, one of which is killed in one of them and run again."""
        fatal = chosen.choice(STAGES)
        for stage in STAGES:
            count = 1 if stage == "finalize" else 2
            schedules = [{"task_index": index, "num_tasks": count} for index in range(count)]
            starts = [Start(self.texts, out, stage=stage, **each) for each in schedules]
            victim, hit = chosen.randrange(count), False
            if stage == fatal:
                start = starts[victim]
                hit = self._strike(who, start, chosen, stage, start.itself)
            for index, start in enumerate(starts):
                struck = hit and index == victim
                if not self._end(start, -signal.SIGKILL, struck):
                    again = Start(self.texts, out, stage=stage, **schedules[index])
                    self._end(again, 0, False)
        return True

    def _folder(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.work))

    def _strike(
        self,
        who: str,
        start: Start,
        chosen: random.Random,
        what: str,
        victims: Callable[[], Sequence[int | None]],
    ) -> bool:
        self.counts.starts += 1
        start.begun()
        time.sleep(chosen.uniform(0, self.seconds[what]))
        hit = start.process.is_alive() and kill(victims(), chosen)
        self.counts.kills[who] += hit
        return hit

    def _end(self, start: Start, promised: int, hit: bool) -> bool:
        """Whether it has finished, as it may have though it was hit.

        Raises:
          AssertionError: It has not ended as it was promised.
        """
        code, said = start.ended(), start.error()
        assert code in ({0, promised} if hit else {0}), f"exit code {code}: {said}"
        assert code != _TRY_AGAIN or "run the same command again" in said, said
        return code == 0

    def measure(self) -> dict[str, bytes]:
        """Prepares without any kill; returns the bytes that come out.

        Raises:
          AssertionError: Engines differ.
        """

        def timed(name: str, out: Path, **schedule: Any) -> dict[str, bytes]:
            start = Start(self.texts, out, **schedule)
            start.begun()
            begin = time.monotonic()
            assert start.ended() == 0, start.error()
            self.seconds[name] = time.monotonic() - begin
            return folder_bytes(out)

        expected = timed("local", self.work / "local", workers=2)
        with dask_cluster(self._folder(), 2) as (file, _):
            cluster = {"engine": "dask", "engine_args": (f"scheduler={file}",)}
            found = timed("dask", self.work / "dask", **cluster)
        assert found == expected, "Dask makes something else"
        for stage in STAGES:
            found = timed(stage, self.work / "array", stage=stage)
            self.seconds[stage] /= 2  # of two tasks each has half
        assert found == expected, "stages make something else"
        return expected


BLOWS: dict[str, Callable[[Chaos, Path, random.Random, str], bool]] = {
    "local worker": Chaos.local,
    "local command": Chaos.local,
    "task of an array": Chaos.array,
    "Dask worker": Chaos.dask,
    "Dask scheduler": Chaos.dask,
    "command with Dask": Chaos.dask,
}


def write_texts(folder: Path) -> Path:
    """Texts, one of them a stream, that repeat documents word for word and nearly."""
    folder.mkdir()
    documents = make_documents(500)
    write_text(folder / "a.txt", documents[:300])
    write_text(folder / "b.txt", [*map(nearly, documents[250:300]), *documents[280:400]])
    with gzip.open(folder / "c.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join([*documents[380:], *map(nearly, documents[:50])]))
    return folder


def run(work: Path, *, kills: int, seed: int) -> Counts:
    """Kills so often."""
    chaos = Chaos(write_texts(work / "texts"), work)
    counts, expected = chaos.counts, chaos.measure()
    blows = cycle(random.Random(seed).sample(sorted(BLOWS), len(BLOWS)))
    while counts.kills.total() < kills and not counts.broken:
        out, chosen = work / f"out-{counts.folders}", random.Random(f"{seed} {counts.folders}")
        is_finished, done = False, []
        try:
            while not is_finished:
                done.append(next(blows))
                is_finished = BLOWS[done[-1]](chaos, out, chosen, done[-1])
            assert folder_bytes(out) == expected, "another result"
        except AssertionError as error:
            counts.broken.append(f"--seed {seed}, folder {counts.folders}, {done}: {error}")
        counts.folders += 1
        sys.stderr.write(f"{done} {counts}\n")
    return counts


def main() -> int:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = run(Path(folder), kills=chosen.kills, seed=chosen.seed)
    seconds = round(time.monotonic() - began)
    sys.stdout.write(json.dumps({"seed": chosen.seed, **vars(counts), "seconds": seconds}) + "\n")
    return 1 if counts.broken else 0


if __name__ == "__main__":
    sys.exit(main())

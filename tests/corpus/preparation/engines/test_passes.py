from __future__ import annotations

from types import SimpleNamespace

from electra_cli.corpus.preparation.engines.passes import train


def test_progress_says_when_all_is_read_and_pieces_are_sought():
    told: list[tuple[float, str]] = []

    class Workers:
        def run(self, task, report):
            for done in (0, 3, 8, 8):
                report(done)
            return [task.name, task.file]

    slices = [SimpleNamespace(disk_bytes=size, label=f"{size}.txt") for size in (3, 5)]
    found = train(slices, None, None, workers=Workers(), on_progress=lambda *now: told.append(now))
    assert found == ["the vocabulary", "3.txt"]
    assert told == [
        (0, "training the vocabulary"),
        (3 / 8, "training the vocabulary"),
        (1, "seeking word pieces, 0 s"),
        (1, "seeking word pieces, 0 s"),
    ]

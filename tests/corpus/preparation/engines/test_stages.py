"""The same bytes whether all is done at once or in stages, and whatever tasks these have."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path

import pytest

from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.preparation import plan
from electra_cli.corpus.preparation.engines import passes, stages, whole_text
from electra_cli.corpus.preparation.engines.schedule import STAGES, stages_of
from electra_cli.corpus.preparation.result import PreparedData, StageDone
from electra_cli.errors import ConfigError, DataError, TryAgainError
from electra_cli.files.atomic import locked_folder
from tests.corpus.corpora import folder_bytes, make_documents, write_text, write_vocabulary
from tests.corpus.preparation.engines.conftest import nearly
from tests.prepared import prepare

DOCUMENTS = make_documents(60)
OPTIONS = {
    "sequence_length": 32, "slice_bytes": 6000, "validation_fraction": 0.05, "vocab_size": 300,
}  # fmt: skip
DUPLICATES = {"duplicates": DuplicateOptions(paragraphs=True)}
NEAR = {"duplicates": DuplicateOptions(paragraphs=True, near_duplicates=0.8)}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """A text, and a compressed one that repeats a part of it, word for word and nearly."""
    folder = tmp_path_factory.mktemp("stages") / "texts"
    folder.mkdir()
    write_text(folder / "a.txt", DOCUMENTS)
    with gzip.open(folder / "b.txt.gz", "wt", encoding="utf-8") as file:
        repeated = [*DOCUMENTS[10:20], *map(nearly, DOCUMENTS[20:25])]
        file.write("\n\n".join([*repeated, *make_documents(20, seed=1)]))
    return folder


@pytest.fixture(scope="module")
def kinds(corpus):
    """Options that need all stages, or some of them."""
    vocab = {"vocab": write_vocabulary(corpus.parent / "words.txt")}
    return {"all": OPTIONS | DUPLICATES, "near": OPTIONS | NEAR, "no scan": OPTIONS,
            "scan": OPTIONS | DUPLICATES | vocab, "one": OPTIONS | vocab}  # fmt: skip


@pytest.fixture(scope="module")
def whole(corpus, kinds):
    """The bytes of each kind, prepared at once by one worker."""
    found = {}
    for name, options in kinds.items():
        counts = prepare(corpus, corpus.parent / name, **options).manifest.counts
        assert counts.near_duplicates == (5 if name == "near" else 0)
        found[name] = folder_bytes(corpus.parent / name)
    return found


def needed(options):
    return stages_of(duplicates="duplicates" in options, trains="vocab" not in options)


@pytest.mark.parametrize("workers", [2, 4])
def test_any_number_of_workers(corpus, kinds, whole, tmp_path, workers):
    prepare(corpus, tmp_path / "out", workers=workers, **kinds["near"])
    assert folder_bytes(tmp_path / "out") == whole["near"]


@pytest.mark.parametrize(("kind", "tasks"), [
    ("all", 1), ("near", 3), ("no scan", 3), ("scan", 5), ("one", 1), ("one", 3),
])  # fmt: skip
def test_stages_in_tasks(corpus, kinds, whole, tmp_path, kind, tasks):
    """In any order within a stage; the last task of one alone, and again."""
    options, out, rng = kinds[kind], tmp_path / "out", random.Random(tasks)
    *divided, end = needed(options)
    for stage in divided:
        done = []
        for index in rng.sample(range(tasks), tasks):
            task = {"stage": stage, "task_index": index, "num_tasks": tasks}
            done.append(prepare(corpus, out, **task, **options))
        assert all(isinstance(one, StageDone) for one in done)
        assert sum(one.slices_done for one in done) == done[0].slices > 5
        assert prepare(corpus, out, **task, **options).slices_done == 0
        if "duplicates" in options:  # all that a task may want is there until the end
            assert list((out / "duplicates").glob("scan-*"))
    assert end == "finalize"
    prepare(corpus, out, stage="finalize", num_tasks=tasks, **options)
    assert folder_bytes(out) == whole[kind]
    late = prepare(corpus, out, stage=divided[0], **options)
    assert isinstance(late, PreparedData)
    assert folder_bytes(out) == whole[kind]


def test_a_stage_without_work_does_nothing(corpus, kinds, whole, tmp_path):
    for stage in STAGES:
        prepare(corpus, tmp_path / "out", stage=stage, **kinds["one"])
    assert folder_bytes(tmp_path / "out") == whole["one"]


@pytest.mark.parametrize(("done", "stage", "words"), [
    (None, "vocabulary", "no task of --stage scan has done anything"),
    (None, "finalize", "no task of --stage prepare has done anything"),
    ("scan", "vocabulary", "slices are not scanned for duplicates yet: 1, 2, 4"),
    ("scan", "prepare", "slices are not scanned for duplicates yet: 1, 2, 4"),
    ("vocabulary", "prepare", "slices are not counted for the vocabulary yet: 1, 2, 4"),
    ("prepare", "finalize", "slices are not prepared yet: 1, 2, 4"),
])  # fmt: skip
def test_a_stage_that_begins_too_early_says_what_is_missing(
    corpus, kinds, whole, tmp_path, done, stage, words
):
    options, out, told = kinds["all"], tmp_path / "out", []
    for before in STAGES[: STAGES.index(done)] if done else ():
        prepare(corpus, out, stage=before, **options)
    if done:
        prepare(corpus, out, stage=done, task_index=0, num_tasks=3, **options)
    with pytest.raises(TryAgainError, match=words) as caught:
        prepare(
            corpus,
            out,
            stage=stage,
            num_tasks=3,
            on_progress=lambda *now: told.append(now),
            **options,
        )
    assert not told or stage != "finalize" or told[-1][0] < 1
    if done is None:
        assert "the same command with --stage scan comes first" in caught.value.hint
        assert not out.exists()
        return
    assert f"--stage {done} --task-index 1 --num-tasks 3" in caught.value.hint
    with pytest.raises(TryAgainError) as caught:
        prepare(corpus, out, stage=stage, **options)
    assert "with --num-tasks N this message" in caught.value.hint
    prepare(corpus, out, **options)  # all at once goes on from there
    assert folder_bytes(out) == whole["all"]


def test_what_is_damaged_or_of_another_version_is_done_again(corpus, kinds, whole, tmp_path):
    options, out = kinds["all"], tmp_path / "out"
    assert prepare(corpus, out, stage="scan", **options).slices_done > 3
    record = out / "duplicates" / "scan-00000.json"
    record.write_text(record.read_text().replace('"format_version": 2', '"format_version": 1'))
    for name in ("documents-00001.bin", "lines-00002.bin"):
        path = out / "duplicates" / name
        path.write_bytes(path.read_bytes()[:-1])
    (out / "duplicates" / "paragraphs-00003.bin").unlink()
    with pytest.raises(TryAgainError, match="slice 0 is not scanned") as caught:
        prepare(corpus, out, stage="vocabulary", **options)
    assert "with --stage scan" in caught.value.hint
    assert prepare(corpus, out, stage="scan", **options).slices_done == 4
    prepare(corpus, out, stage="vocabulary", **options)
    counts = out / "words" / "words-0-00001.bin"
    counts.write_bytes(counts.read_bytes()[:-1])
    with pytest.raises(TryAgainError, match=r"words-0-00001\.bin is damaged"):
        prepare(corpus, out, stage="prepare", **options)
    assert prepare(corpus, out, stage="vocabulary", **options).slices_done == 1
    counts.write_bytes(b"")
    prepare(corpus, out, **options)  # all at once goes on too
    assert folder_bytes(out) == whole["all"]


def test_a_task_refuses_an_input_that_was_replaced(corpus, kinds, tmp_path):
    out, texts, options = tmp_path / "out", tmp_path / "texts", kinds["one"]
    shutil.copytree(corpus, texts)
    prepare(texts, out, stage="prepare", num_tasks=2, **options)
    content = (texts / "a.txt").read_bytes()
    (texts / "a.txt").write_bytes(content[:-1] + b"!")
    with pytest.raises(DataError, match=r"a\.txt has another content than when"):
        prepare(texts, out, stage="prepare", **options)
    (texts / "a.txt").write_bytes(content)
    assert prepare(texts, out, stage="prepare", **options).slices_done > 0


def test_bad_input_in_a_task_leaves_the_folder_to_the_others(kinds, tmp_path):
    text = tmp_path / "a.jsonl"
    text.write_text('{"text": 1}\n')
    for stage in ("scan", "all"):
        with pytest.raises(DataError, match="line 1") as caught:
            prepare(text, tmp_path / stage, stage=stage, **kinds["all"])
        stays = f"needs another --output or rm -r {tmp_path / stage}" in caught.value.hint
        assert stays == (stage == "scan")
    assert (tmp_path / "scan" / "plan.json").is_file()
    assert not (tmp_path / "all").exists() or not folder_bytes(tmp_path / "all")


def test_what_is_scanned_stays_though_other_input_is_bad(corpus, kinds, tmp_path):
    text, out = tmp_path / "b.jsonl", tmp_path / "out"
    text.write_text("oops\n")
    inputs = [corpus / "a.txt", corpus / "b.txt.gz", text]
    options = kinds["all"]
    for _ in range(2):
        with pytest.raises(DataError, match="line 1: not valid JSON") as caught:
            prepare(inputs, out, **options)
        assert "--on-error skip goes on with it" in caught.value.hint
        assert list((out / "duplicates").glob("scan-*"))
    assert prepare(inputs, out, on_error="skip", **options).manifest.counts.documents > 5


def test_only_the_end_wants_the_folder_for_itself(corpus, kinds, tmp_path):
    out, options = tmp_path / "out", kinds["one"]
    prepare(corpus, out, stage="prepare", task_index=0, num_tasks=2, **options)
    with locked_folder(out, shared=True):  # as a running task does
        prepare(corpus, out, stage="prepare", task_index=1, num_tasks=2, **options)
        for stage in ("finalize", "all"):
            with pytest.raises(TryAgainError, match="another process is writing"):
                prepare(corpus, out, stage=stage, **options)


def test_tasks_do_what_is_theirs_together_from_their_own_place_on(
    corpus, kinds, whole, tmp_path, monkeypatch
):
    """Of two that begin at once neither waits, and what one has done the other does not."""
    out, options, begun = tmp_path / "out", kinds["all"], []
    prepare(corpus, out, stage="scan", **options)
    run = passes.Passes._results

    def results(self, tasks, on_progress):
        for number, task in enumerate(run(self, tasks, on_progress)):
            begun[-1].append(task.name)
            yield task
            if number == 1 and len(begun) == 1:  # while the first is at its second step
                begun.append([])
                prepare(corpus, out, stage="vocabulary", task_index=1, num_tasks=2, **options)
                begun.append([])

    monkeypatch.setattr(passes.Passes, "_results", results)
    begun.append([])
    prepare(corpus, out, stage="vocabulary", task_index=0, num_tasks=2, **options)
    first, second, rest = begun
    assert len(first) == 2
    assert len(second) > len(rest) > 0
    monkeypatch.undo()
    prepare(corpus, out, **options)
    assert folder_bytes(out) == whole["all"]


def test_a_plan_is_not_cut_again(corpus, kinds, whole, tmp_path, monkeypatch):
    out, options = tmp_path / "out", kinds["one"]
    prepare(corpus, out, stage="prepare", task_index=0, num_tasks=2, **options)
    with monkeypatch.context() as patch:
        patch.setattr(plan, "boundary", None)
        prepare(corpus, out, stage="prepare", task_index=1, num_tasks=2, **options)
        prepare(corpus, out, stage="finalize", **options)
    assert folder_bytes(out) == whole["one"]
    # A file with another content is cut where that says.
    texts = tmp_path / "texts"
    shutil.copytree(corpus, texts)
    write_text(texts / "a.txt", make_documents(70, seed=2))
    shutil.rmtree(out)
    shutil.copytree(corpus.parent / "one", out)
    (out / "manifest.json").unlink()
    with pytest.raises(Exception, match="the input files differ"):
        prepare(texts, out, **options)
    planned = json.loads((out / "plan.json").read_text())
    planned["slices"][0][0][2] -= 1
    (out / "plan.json").write_text(json.dumps(planned))
    with pytest.raises(Exception, match="it is cut into other slices"):
        prepare(corpus, out, **options)


def test_progress_goes_through_all_passes_that_there_are(corpus, kinds, tmp_path):
    def told(**options) -> list[str]:
        seen: list[tuple[float, str]] = []
        on_progress = lambda *state: seen.append(state)  # noqa: E731
        prepare(corpus, tmp_path / "out", on_progress=on_progress, **options)
        fractions = [fraction for fraction, _ in seen]
        assert fractions == sorted(fractions)
        assert all(0 <= fraction <= 1 for fraction in fractions)
        return list(dict.fromkeys(words.partition(": ")[0] for _, words in seen))

    options = kinds["all"]
    assert told(stage="scan", **options) == [whole_text.SCAN]
    assert told(stage="vocabulary", **options) == [whole_text.COMPARE, whole_text.COUNT]
    assert told(**options) == [whole_text.SEEK, stages.PREPARE, stages.SUM]
    assert told(**options) == []


@pytest.mark.parametrize(("options", "what"), [
    ({"task_index": 2, "num_tasks": 2, "stage": "prepare"}, "--task-index is 2 of --num-tasks 2"),
    ({"task_index": 0, "num_tasks": 0, "stage": "prepare"}, "--num-tasks 0"),
    ({"engine_args": ("x=1",)}, "--engine-arg x=1 needs an engine"),
    ({"engine": "dask", "stage": "prepare", "num_tasks": 2}, "--engine dask divides the work"),
    ({"workers": 0}, "--workers is 0"),
    ({"engine": "dask", "workers": 4}, "--workers 4 is of --engine local; with --engine dask"),
    ({"engine": "beam", "workers": 4}, "--workers 4 is of --engine local; with --engine beam"),
    ({"engine": "spark", "workers": 4}, "--workers 4 is of --engine local; with --engine spark"),
])  # fmt: skip
def test_schedules_that_cannot_be(options, what, tmp_path, corpus):
    with pytest.raises(ConfigError, match=what):
        prepare(corpus, tmp_path / "out", **options)

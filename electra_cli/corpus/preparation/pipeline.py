"""From text to a prepared folder: plan, vocabulary, duplicates, slices, manifest."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from electra_cli.corpus.preparation.engines.local import prepare_slices
from electra_cli.corpus.preparation.engines.passes import OnProgress, find_duplicates, train
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.engines.tasks import check_complete, check_planned
from electra_cli.corpus.preparation.engines.workers import Task, Workers
from electra_cli.corpus.preparation.options import PrepareOptions, SliceSettings
from electra_cli.corpus.preparation.output import (
    any_slice_finished,
    claim_output_folder,
    claim_vocabulary,
    discard_claim,
    opened_output,
)
from electra_cli.corpus.preparation.plan import Plan, Slice, make_plan
from electra_cli.corpus.preparation.plausibility import UnknownWatch, check_unknown
from electra_cli.corpus.preparation.records import (
    SliceRecord,
    finished_record,
    lowest_hash,
    summed_up,
)
from electra_cli.corpus.preparation.result import (
    PreparedData,
    StageDone,
    prepared_data,
    room_needed,
)
from electra_cli.corpus.preparation.slices import HASH_BITS
from electra_cli.corpus.preparation.standard_input import copied_standard_input
from electra_cli.corpus.reading.discovery import find_inputs, overview
from electra_cli.corpus.reading.faults import LeftOut
from electra_cli.corpus.reading.input_file import STANDARD_INPUT
from electra_cli.corpus.reading.passed_over import PassedOver
from electra_cli.corpus.shards.inspect import with_baselines
from electra_cli.corpus.shards.manifest import VocabularyFile, load_manifest, write_manifest
from electra_cli.corpus.subword.brought import bring
from electra_cli.corpus.subword.open import TextIds, open_tokenizer
from electra_cli.errors import DataError
from electra_cli.files.atomic import atomic_write_bytes, named_if_full
from electra_cli.files.layout import DUPLICATES_FOLDER, MANIFEST_FILE

# Share of the whole time that each pass over the text takes, for the progress bar.
_VOCABULARY_SHARE = 0.4
_DUPLICATES_SHARE = 0.2


def prepare_data(
    *,
    inputs: Sequence[Path],
    output: Path,
    options: PrepareOptions | None = None,
    schedule: Schedule | None = None,
    on_progress: OnProgress = lambda fraction, stage: None,
    on_note: Callable[[str], None] = lambda text: None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> PreparedData | StageDone:
    """Prepares text for pretraining.

    The shards and the manifest have the same bytes for any schedule. The same call again resumes
    an unfinished folder and returns at once on a finished one.

    Args:
      inputs: Files, folders, patterns, and `-` for standard input.
      output: Folder to make, or to go on with.
      options: How to prepare it.
      schedule: Who does which part of it.
      on_progress: Receives the fraction done and what is being done.
      on_note: Receives, in a sentence, what one should know about.
      on_warning: Receives on the way what is probably not meant; the result has what is at the end.

    Returns:
      What is in the folder, or, of a schedule that does not end with the manifest, what was done.

    Raises:
      ConfigError: Options that cannot be.
      InputMissingError: An input or the vocabulary is not there.
      DataError: Bad or empty input, an unusable vocabulary, or a file at which a worker died twice.
      OutputError: The output cannot be written, or holds something else.
      TryAgainError: Another process is writing to the output, workers were killed, or slices of
        other tasks are missing.
      TrainingError: Workers cannot start.
      IOFailedError: The disk is full; the same call goes on once there is room.
    """
    options = options or PrepareOptions()
    schedule = schedule or Schedule()
    if schedule.engine == "beam":
        from electra_cli.corpus.preparation.engines.beam import check_beam

        check_beam(schedule.beam_args)
    if schedule.stage in ("task", "finalize"):
        check_planned(output, options, schedule)
    brought = bring(options.vocab) if options.vocab else None
    if brought.options is None if brought else options.vocabulary.kind != "wordpiece":
        options = replace(options, lowercase=None, strip_accents=None)
    with (
        opened_output(output, shared=schedule.stage == "task"),
        Workers(schedule.processes, on_warning) as workers,
    ):
        copy = None
        if STANDARD_INPUT in inputs:
            copy = copied_standard_input(output, on_note=on_note, on_progress=on_progress)
        left_out, passed_over = LeftOut(skips=options.on_error == "skip"), PassedOver()
        files = find_inputs(
            inputs,
            exclude=output,
            format=options.format,
            text_field=options.text_field,
            # Of a folder only this has an ending of text.
            vocabulary=[options.vocab, options.vocab / "vocab.txt"] if options.vocab else [],
            standard_input=copy,
            # The shards of what is read once are those of one large compressed file.
            is_stream=brought is not None and options.duplicates is None,
            left_out=left_out,
            passed_over=passed_over,
            on_note=on_note,
        )
        planning = partial(
            make_plan,
            files,
            options=options.record(brought.tokenizer if brought else None),
            text_field=options.text_field,
            slice_bytes=options.slice_bytes,
            documents=options.documents,
            left_out=left_out,
            passed_over=passed_over,
        )
        if any(file.splits_at_row_groups for file in files):  # a library reads where these are
            plan = workers.run(Task("the plan", files[0].label, planning))
        else:
            plan = planning()
        left_out = plan.left_out
        for names, why in (
            (left_out.unreadable, "no reader knows them"),
            (left_out.damaged, "damaged from their beginning"),
        ):
            if names:
                on_note(f"left out by --on-error skip, {why}: {overview(names)}")
        preparation = _Preparation(
            plan, output, options, schedule, workers, on_progress, on_warning
        )
        with named_if_full(
            output,
            lambda: room_needed(plan, preparation.records()),
            hint="free some space and run the same command again: it goes on where it stopped",
        ):
            claim_output_folder(output, plan, shared=schedule.stage == "task")
            result = preparation.run(brought.tokenizer if brought else None)
    if isinstance(result, PreparedData) and (names := result.manifest.left_out):
        counts = result.manifest.counts
        met = counts.unreadable_files + counts.damaged_inputs
        count = met - len(left_out.unreadable) - len(left_out.damaged)
        on_note(f"read in part or left out by --on-error skip: {overview(names, count)}")
    return result


@dataclass
class _Preparation:
    """One call of `prepare_data`, once the output folder is claimed."""

    plan: Plan
    output: Path
    options: PrepareOptions
    schedule: Schedule
    workers: Workers
    on_progress: OnProgress
    on_warning: Callable[[str], None]
    done: float = 0.0  # the fraction of the whole that earlier passes have taken

    def run(self, brought: TextIds | None) -> PreparedData | StageDone:
        """All acts that the schedule asks for.

        Args:
          brought: A tokenizer that was given.
        """
        started = time.monotonic()
        if (self.output / MANIFEST_FILE).is_file():
            return prepared_data(load_manifest(self.output), started, prepared_bytes=0)
        stage = self.schedule.stage
        try:
            settings = self._settings(brought)
            if stage == "plan":
                return StageDone(self.output, len(self.plan.slices), 0, 0, 0.0)
            missing = self._missing()
            todo = [slice_ for slice_ in missing if self.schedule.has(slice_.index)]
            self._prepare(todo, settings)
            if stage != "task":
                settings = self._hold_out_one(settings)
        except DataError:
            if stage in ("all", "plan") and not any_slice_finished(self.output):
                discard_claim(self.output)
            raise
        records = self.records()
        prepared = {slice_.index for slice_ in todo}
        prepared_bytes = sum(r.counts.input_bytes for r in records if r.index in prepared)
        if stage == "task":
            seconds = time.monotonic() - started
            return StageDone(
                self.output, len(self.plan.slices), len(prepared), prepared_bytes, seconds
            )
        try:
            manifest = summed_up(records, settings, self.plan)
        except DataError:
            discard_claim(self.output)
            raise
        if not self.options.allow_unknown:
            check_unknown(manifest)
        write_manifest(self.output, with_baselines(manifest))
        return prepared_data(load_manifest(self.output), started, prepared_bytes)

    def records(self) -> list[SliceRecord]:
        """Of all slices that are finished."""
        records = [finished_record(self.output, slice_.index) for slice_ in self.plan.slices]
        return [record for record in records if record is not None]

    def _settings(self, brought: TextIds | None) -> SliceSettings:
        """Vocabulary and duplicates: what all slices need, each made once and then kept."""
        options = self.options
        duplicates = None
        if options.duplicates is not None:
            duplicates = self.output / DUPLICATES_FOLDER
            find_duplicates(
                self.plan.slices,
                duplicates,
                options,
                workers=self.workers,
                on_progress=self._share(_DUPLICATES_SHARE),
            )
            self.done += _DUPLICATES_SHARE
        path = self.output / (brought.file if brought else options.vocabulary.file)
        is_there = path.is_file()
        if is_there:
            content = path.read_bytes()
        else:
            content = brought.content if brought else self._train_vocabulary(duplicates)
        sha256 = hashlib.sha256(content).hexdigest()
        claim_vocabulary(self.output, path.name, sha256)
        if not is_there:
            atomic_write_bytes(path, content)
        tokenizer = brought or open_tokenizer(path, options.tokenizer, may_be_bare=True)
        self.watch = UnknownWatch(options.tokenizer, tokenizer.tokens, self.on_warning)
        vocab = VocabularyFile(
            file=path.name, size=len(tokenizer.tokens), sha256=sha256, kind=tokenizer.kind
        )
        limit = int(options.validation_fraction * 2**HASH_BITS)
        return SliceSettings(options, self.output, vocab, tokenizer.special, limit)

    def _train_vocabulary(self, duplicates: Path | None) -> bytes:
        share = (1 - self.done) * _VOCABULARY_SHARE
        content = train(
            self.plan.slices,
            duplicates,
            self.options,
            workers=self.workers,
            on_progress=self._share(share),
        )
        self.done += share
        return content

    def _share(self, share: float) -> OnProgress:
        """Progress of a pass that takes this share of the whole."""
        return lambda fraction, stage: self.on_progress(self.done + share * fraction, stage)

    def _missing(self) -> list[Slice]:
        """The slices that are not prepared, which in the end is an error.

        Raises:
          TryAgainError: There are some, and all tasks should be over.
        """
        slices = self.plan.slices
        missing = [s for s in slices if finished_record(self.output, s.index) is None]
        if self.schedule.stage == "finalize":
            check_complete([s.index for s in missing], len(slices), self.schedule)
        return missing

    def _hold_out_one(self, settings: SliceSettings) -> SliceSettings:
        """Makes sure that at least one document is held out.

        If the fraction has caught none, the one with the lowest hash is, with all its copies; only
        slices that hold it are prepared again.
        """
        records = self.records()
        lowest = lowest_hash(records)
        if lowest is None or int(lowest, 16) < settings.held_out_below:
            return settings
        settings = replace(settings, held_out_below=int(lowest, 16) + 1)
        affected = [
            self.plan.slices[record.index]
            for record in records
            if not record.is_same_below(settings.held_out_below)
        ]
        self._prepare(affected, settings)
        return settings

    def _prepare(self, slices: Sequence[Slice], settings: SliceSettings) -> None:
        mine = [s for s in self.plan.slices if self.schedule.has(s.index)]
        total = sum(slice_.disk_bytes for slice_ in mine)
        finished = total - sum(slice_.disk_bytes for slice_ in slices)

        def on_progress(done: int) -> None:
            share = min((finished + done) / total, 1.0)
            self.on_progress(self.done + (1 - self.done) * share, "tokenizing and packing")

        if self.schedule.engine == "beam":
            from electra_cli.corpus.preparation.engines.beam import prepare_with_beam

            run = partial(prepare_with_beam, beam_args=self.schedule.beam_args)
        else:
            run = partial(prepare_slices, workers=self.workers)
            if len(slices) > 1 or any(slice_.is_stream for slice_ in slices):
                run = partial(run, on_record=self.watch.add)
        run(slices, settings=settings, on_progress=on_progress)

"""From text to a prepared folder: plan, vocabulary, duplicates, slices, manifest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from electra_cli.corpus.duplicates.outcome import load_duplicates
from electra_cli.corpus.duplicates.search import resolve, scan_slice
from electra_cli.corpus.preparation.documents import slice_documents
from electra_cli.corpus.preparation.engines.local import prepare_slices
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.engines.tasks import check_complete, check_planned
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.output import (
    any_slice_finished,
    check_vocabulary,
    claim_output_folder,
    discard_claim,
    make_output_folder,
    planned_vocabulary,
    record_vocabulary,
)
from electra_cli.corpus.preparation.plan import Plan, Slice, make_plan
from electra_cli.corpus.preparation.plausibility import UnknownWatch, check_unknown
from electra_cli.corpus.preparation.result import (
    PreparedData,
    StageDone,
    prepared_data,
    room_needed,
)
from electra_cli.corpus.preparation.slices import (
    HASH_BITS,
    SliceRecord,
    SliceSettings,
    finished_record,
)
from electra_cli.corpus.preparation.standard_input import OnceReadBlocks, standard_input
from electra_cli.corpus.preparation.summary import summed_up
from electra_cli.corpus.reading.discovery import find_inputs, shown
from electra_cli.corpus.reading.faults import LeftOut
from electra_cli.corpus.reading.input_file import STANDARD_INPUT, UNKNOWN_SIZE
from electra_cli.corpus.reading.passed_over import PassedOver
from electra_cli.corpus.reading.readers import ReadSoFar
from electra_cli.corpus.shards.manifest import load_manifest, write_manifest
from electra_cli.corpus.wordpiece.found_tokenizer import read_tokenizer
from electra_cli.corpus.wordpiece.vocabulary import (
    load_vocabulary,
    vocabulary_sha256,
    vocabulary_text,
)
from electra_cli.corpus.wordpiece.vocabulary_training import train_vocabulary
from electra_cli.errors import ConfigError, DataError
from electra_cli.files.atomic import (
    atomic_write_text,
    locked_folder,
    named_if_full,
    remove_temporaries,
)
from electra_cli.files.holder import locked_by_name
from electra_cli.files.layout import DUPLICATES_FOLDER, LOCK_FILE, MANIFEST_FILE, VOCABULARY_FILE

# Share of the whole time that each pass over the text takes, for the progress bar.
_VOCABULARY_SHARE = 0.4
_DUPLICATES_SHARE = 0.2

OnProgress = Callable[[float, str], None]


def prepare_data(
    *,
    inputs: Sequence[Path],
    output: Path,
    options: PrepareOptions | None = None,
    schedule: Schedule | None = None,
    on_progress: OnProgress | None = None,
    on_note: Callable[[str], None] | None = None,
    on_warning: Callable[[str], None] | None = None,
) -> PreparedData | StageDone:
    """Prepares text for pretraining.

    The shards and the manifest have the same bytes for any schedule. The same call again resumes
    an unfinished folder and returns at once on a finished one.

    Args:
      inputs: Files, folders, patterns, and `-` for standard input.
      output: Folder to make, or to go on with.
      options: How to prepare it.
      schedule: Who does which part of it.
      on_progress: Is told the fraction done and what is being done.
      on_note: Is told in a sentence what one should know about.
      on_warning: Is told on the way what is probably not meant; the result has what is at the end.

    Returns:
      What is in the folder, or, of a schedule that does not end with the manifest, what was done.

    Raises:
      ConfigError: Options that cannot be.
      InputMissingError: An input or the vocabulary is not there.
      DataError: Bad or empty input, or an unusable vocabulary.
      OutputError: The output cannot be written, or holds something else.
      TryAgainError: Another process is writing to the output, a worker was killed, or slices of
        other tasks are missing.
      IOFailedError: The disk is full; the same call goes on once there is room.
    """
    options = options or PrepareOptions()
    schedule = schedule or Schedule()
    if STANDARD_INPUT in inputs and (schedule.stage != "all" or schedule.engine != "local"):
        raise ConfigError(
            "standard input can be read only once and by one process: it excludes --plan-only, "
            "--task-index, --finalize and --engine beam",
            hint="write the text to a file that all can read",
        )
    on_progress = on_progress or (lambda fraction, stage: None)
    on_note = on_note or (lambda text: None)
    on_warning = on_warning or (lambda text: None)
    if schedule.engine == "beam":
        from electra_cli.corpus.preparation.engines.beam import check_beam

        check_beam(schedule.beam_args)
    if schedule.stage in ("task", "finalize"):
        check_planned(output, options, schedule)
    brought = read_tokenizer(options.vocab).tokens if options.vocab else None
    with standard_input(
        inputs,
        output,
        head_bytes=options.slice_bytes,
        passes=_earlier_passes(options),
        on_note=on_note,
        on_progress=on_progress,
    ) as stdin:
        left_out, passed_over = LeftOut(skips=options.on_error == "skip"), PassedOver()
        files = find_inputs(
            inputs,
            exclude=output,
            format=options.format,
            text_field=options.text_field,
            # Of a folder only this has an ending of text.
            vocabulary=[options.vocab, options.vocab / "vocab.txt"] if options.vocab else [],
            standard_input=stdin,
            left_out=left_out,
            passed_over=passed_over,
            on_note=on_note,
        )
        plan = make_plan(
            files,
            options=options.record(vocabulary_sha256(brought) if brought else None),
            text_field=options.text_field,
            slice_bytes=options.slice_bytes,
            documents=options.documents,
            left_out=left_out,
            passed_over=passed_over,
        )
        for names, why in (
            (left_out.unreadable, "no reader knows them"),
            (left_out.damaged, "damaged from their beginning"),
        ):
            if names:
                on_note(f"left out by --on-error skip, {why}: {shown(names)}")
        make_output_folder(output)
        preparation = _Preparation(plan, output, options, schedule, on_progress, on_warning)
        with (
            _locked(output, schedule),
            named_if_full(
                output,
                lambda: room_needed(plan, preparation.records()),
                hint="free some space and run the same command again: it goes on where it stopped",
            ),
        ):
            claim_output_folder(output, plan, shared=schedule.stage == "task")
            result = preparation.run(brought)
    if isinstance(result, PreparedData) and result.left_out:
        met = result.counts.unreadable_files + result.counts.damaged_inputs
        count = met - len(left_out.unreadable) - len(left_out.damaged)
        on_note(f"read in part or left out by --on-error skip: {shown(result.left_out, count)}")
    return result


@contextmanager
def _locked(output: Path, schedule: Schedule) -> Iterator[None]:
    """Locks the output, which tasks share."""
    record = output / LOCK_FILE
    if schedule.stage == "task":
        with locked_folder(output, shared=True):
            record.unlink(missing_ok=True)  # of somebody who was killed
            yield
        return
    with locked_by_name(output, record):
        try:
            yield
        finally:
            with suppress(OSError):
                record.unlink()


def _earlier_passes(options: PrepareOptions) -> str:
    """What reads the text before it is tokenized, in words; empty if nothing does."""
    passes = ["a vocabulary is trained on it"] * (options.vocab is None)
    passes += ["duplicates are looked for in it"] * (options.duplicates is not None)
    return " and ".join(passes) + " before it is tokenized" if passes else ""


class _Preparation:
    """One call of `prepare_data`, once the output folder is locked."""

    def __init__(
        self,
        plan: Plan,
        output: Path,
        options: PrepareOptions,
        schedule: Schedule,
        on_progress: OnProgress,
        on_warning: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._output = output
        self._options = options
        self._schedule = schedule
        self._report = on_progress
        self._watch = UnknownWatch(options, on_warning)
        self._started = time.monotonic()
        self._once_read = OnceReadBlocks(output)
        self._done = 0.0  # the fraction of the whole that earlier passes have taken

    def run(self, brought: list[str] | None) -> PreparedData | StageDone:
        """All acts that the schedule asks for.

        Args:
          brought: The tokens of a vocabulary that was given.
        """
        if (self._output / MANIFEST_FILE).is_file():
            return prepared_data(load_manifest(self._output), self._started, prepared_bytes=0)
        if (self._output / VOCABULARY_FILE).is_file():
            check_vocabulary(self._output)
        stage = self._schedule.stage
        try:
            settings = self._settings(brought)
            if stage == "plan":
                return StageDone(self._output, len(self._plan.slices), 0, 0, 0.0)
            with closing(self._once_read):
                records, prepared = self._run_slices(settings)
        except DataError:
            if stage in ("all", "plan") and not any_slice_finished(self._output):
                discard_claim(self._output)
            raise
        prepared_bytes = sum(r.counts.input_bytes for r in records if r.index in prepared)
        if stage == "task":
            seconds = time.monotonic() - self._started
            return StageDone(
                self._output, len(self._plan.slices), len(prepared), prepared_bytes, seconds
            )
        try:
            manifest = summed_up(records, settings, self._options.validation_fraction, self._plan)
        except DataError:
            discard_claim(self._output)
            raise
        if not self._options.allow_unknown:
            check_unknown(manifest)
        write_manifest(self._output, manifest)
        return prepared_data(load_manifest(self._output), self._started, prepared_bytes)

    def _settings(self, brought: list[str] | None) -> SliceSettings:
        """Vocabulary and duplicates: what all slices need, each made once and then kept."""
        options, path = self._options, self._output / VOCABULARY_FILE
        duplicates = self._duplicates()
        if path.is_file():
            tokens = load_vocabulary(path, may_be_bare=True)
        else:
            tokens = brought or self._train_vocabulary(duplicates)
            atomic_write_text(path, vocabulary_text(tokens))
        return SliceSettings(
            vocab_path=path,
            vocab_sha256=vocabulary_sha256(tokens),
            lowercase=options.lowercase,
            strip_accents=options.strip_accents,
            sequence_length=options.sequence_length,
            packing=options.packing,
            seed=options.seed,
            slice_bytes=options.slice_bytes,
            read=options.read,
            duplicates=duplicates,
        )

    def _duplicates(self) -> Path | None:
        options, slices = self._options.duplicates, self._plan.slices
        if options is None:
            return None
        folder = self._output / DUPLICATES_FOLDER
        if load_duplicates(folder, len(slices), options) is None:
            folder.mkdir(exist_ok=True)
            remove_temporaries(folder)
            report = self._reporter(_DUPLICATES_SHARE, "looking for duplicates")
            for slice_ in slices:
                documents = slice_documents(
                    slice_, ReadSoFar(), options=self._options.read, on_progress=report
                )
                scan_slice(documents, slice_.index, folder=folder, options=options)
        resolve(folder, len(slices), options=options)
        self._done += _DUPLICATES_SHARE
        return folder

    def _train_vocabulary(self, duplicates: Path | None) -> list[str]:
        share = (1 - self._done) * _VOCABULARY_SHARE
        report = self._reporter(share, "training the vocabulary")
        tokens = train_vocabulary(
            (
                "\n".join(document)
                for slice_ in self._plan.slices
                for document in slice_documents(
                    slice_,
                    ReadSoFar(),  # bad input is counted when the slices are prepared
                    options=self._options.read,
                    duplicates=duplicates,
                    on_progress=report,
                )
            ),
            self._options.vocabulary,
            on_training=lambda seconds: self._report(
                self._done + share, f"seeking word pieces, {seconds:.0f} s"
            ),
        )
        self._done += share
        sha256 = vocabulary_sha256(tokens)
        if planned_vocabulary(self._output) not in (None, sha256):
            raise DataError(
                f"the vocabulary of {self._output} is gone, and training makes another one now",
                hint="prepare with the versions of electra and tokenizers that began it, or choose "
                "another --output",
            )
        record_vocabulary(self._output, sha256)
        return tokens

    def _reporter(self, share: float, stage: str) -> Callable[[int], None]:
        """Turns bytes done into progress of a pass that takes this share of the whole."""
        done = 0

        def report(disk_bytes: int) -> None:
            nonlocal done
            done += disk_bytes
            self._report(self._done + share * done / self._plan.disk_bytes, stage)

        return report

    def _run_slices(self, settings: SliceSettings) -> tuple[list[SliceRecord], set[int]]:
        """Prepares what is not prepared yet.

        Returns:
          The records of all finished slices, and the indices of those that this call prepared.
        """
        limit = int(self._options.validation_fraction * 2**HASH_BITS)
        missing = [s for s in self._plan.slices if finished_record(self._output, s.index) is None]
        if self._schedule.stage == "finalize":
            check_complete([s.index for s in missing], len(self._plan.slices), self._schedule)
        todo = [slice_ for slice_ in missing if self._schedule.has(slice_.index)]
        self._prepare(todo, settings, limit)
        prepared = {slice_.index for slice_ in todo}
        records = self.records()
        # At least one document is held out. If the fraction has caught none, the one with the
        # lowest hash is, with all its copies; only slices that hold it are prepared again.
        hashes = [record.lowest_hash for record in records if record.lowest_hash is not None]
        is_last = self._schedule.stage != "task"
        if is_last and hashes and int(min(hashes), 16) >= limit:
            limit = int(min(hashes), 16) + 1
            affected = [
                self._plan.slices[record.index]
                for record in records
                if record.lowest_hash == min(hashes) and record.held_out_below != f"{limit:x}"
            ]
            self._prepare(affected, settings, limit)
            records = self.records()
        return records, prepared

    def _prepare(self, slices: Sequence[Slice], settings: SliceSettings, limit: int) -> None:
        mine = [s for s in self._plan.slices if self._schedule.has(s.index)]
        total = sum(slice_.disk_bytes for slice_ in mine)
        finished = total - sum(slice_.disk_bytes for slice_ in slices)

        def on_progress(done: int) -> None:
            stage = "tokenizing and packing"
            share = min((finished + done) / total, 1.0)
            if total >= UNKNOWN_SIZE and share < 1:
                share, stage = 0.0, f"{stage}, {done / 1e6:,.0f} MB read"
            self._report(self._done + (1 - self._done) * share, stage)

        run = partial(prepare_slices, once_read=self._once_read)
        if len(slices) > 1 or any(slice_.is_stream for slice_ in slices):
            run = partial(run, on_record=partial(self._watch.add, vocab_path=settings.vocab_path))
        if self._schedule.engine == "beam":
            from electra_cli.corpus.preparation.engines.beam import prepare_with_beam

            run = partial(prepare_with_beam, beam_args=self._schedule.beam_args)
        run(
            slices,
            settings=settings,
            output=self._output,
            held_out_below=limit,
            workers=self._schedule.processes,
            on_progress=on_progress,
        )

    def records(self) -> list[SliceRecord]:
        """Of all slices that are finished."""
        records = [finished_record(self._output, slice_.index) for slice_ in self._plan.slices]
        return [record for record in records if record is not None]

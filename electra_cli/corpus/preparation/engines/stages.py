"""The stages of a preparation, one of them or all, once the output folder is claimed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from electra_cli.corpus.duplicates import search
from electra_cli.corpus.duplicates.outcome import load_duplicates
from electra_cli.corpus.preparation import vocabulary
from electra_cli.corpus.preparation.documents import scan_step
from electra_cli.corpus.preparation.engines.engine import Engine
from electra_cli.corpus.preparation.engines.local import prepare_slices
from electra_cli.corpus.preparation.engines.passes import OnProgress, Passes, undone
from electra_cli.corpus.preparation.engines.schedule import Schedule, Stage
from electra_cli.corpus.preparation.engines.tasks import check_done
from electra_cli.corpus.preparation.options import PrepareOptions, SliceSettings
from electra_cli.corpus.preparation.output import (
    anything_done,
    claim_vocabulary,
    discard_claim,
    remove_leftovers,
)
from electra_cli.corpus.preparation.plan import Plan, Slice
from electra_cli.corpus.preparation.plausibility import UnknownWatch, check_unknown
from electra_cli.corpus.preparation.records import (
    SliceRecord,
    Totals,
    finished_record,
    summed_up,
    totals_of,
    unfinished,
)
from electra_cli.corpus.preparation.result import PreparedData, StageDone, prepared_data
from electra_cli.corpus.preparation.slices import HASH_BITS
from electra_cli.corpus.shards.inspect import with_baselines
from electra_cli.corpus.shards.manifest import (
    VocabularyFile,
    load_manifest,
    read_manifest,
    write_manifest,
)
from electra_cli.corpus.step import Step
from electra_cli.corpus.subword.open import TextIds, open_tokenizer
from electra_cli.errors import DataError, TryAgainError
from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.files.layout import DUPLICATES_FOLDER, MANIFEST_FILE, WORDS_FOLDER

# The passes by what is being done, with the time that a byte on disk takes, that of tokenizing
# and packing being 1.
_SCAN, _COMPARE = "looking for duplicates", "comparing what was found"
_COUNT, _SEEK = "counting words", "seeking word pieces"
_PREPARE, _SUM = "tokenizing and packing", "summing up"
_COSTS = {_SCAN: 0.5, _COMPARE: 0.1, _COUNT: 0.5, _SEEK: 0.1, _PREPARE: 1.0, _SUM: 0.01}
# Bytes that are tokenized while pieces are sought, of so many words as matter.
_SEEKING = 2**27


@dataclass
class Preparation:
    """One call of `prepare_data`.

    Attributes:
      plan: What is prepared.
      output: Where to, claimed.
      options: How.
      schedule: Which stages are this call's, and which part of them.
      brought: A tokenizer that was given; None if one is trained.
      engine: Does the work.
      on_progress: Receives how much of this call is done.
      on_warning: Receives what is probably not meant.
    """

    plan: Plan
    output: Path
    options: PrepareOptions
    schedule: Schedule
    brought: TextIds | None
    engine: Engine
    on_progress: OnProgress
    on_warning: Callable[[str], None]

    def run(self) -> PreparedData | StageDone:
        """All that the schedule asks for."""
        self._started = time.monotonic()
        self._prepared_bytes = 0
        if (self.output / MANIFEST_FILE).is_file():
            return prepared_data(load_manifest(self.output), self._started, prepared_bytes=0)
        finds = self.options.duplicates is not None and not self._duplicates_are_found()
        trains = self.brought is None and not self._vocabulary.is_file()
        shares = self._shares(finds=finds, trains=trains)
        self._passes = Passes(self.engine, self.schedule, shares, self.on_progress)
        try:
            done = self._before_slices(finds=finds, trains=trains)
            if self.schedule.stage in ("scan", "vocabulary"):
                return self._stage_done(done)
            settings = self._settings()
            if self.schedule.does("prepare"):
                mine = [s for s in self.plan.slices if self.schedule.has(s.index)]
                left = unfinished(self.output, mine)
                self._prepare(left, settings)
                if self.schedule.stage == "prepare":
                    return self._stage_done(len(left))
            settings, totals = self._with_one_held_out(settings, self._summed_up())
        except DataError as error:
            # Of a shared folder others may be making use.
            if not self.schedule.is_shared and not anything_done(self.output):
                discard_claim(self.output)
            elif "--output" not in error.hint:
                kept = f"what is done stays in {self.output}: --on-error skip goes on with it, and "
                kept += f"input that is corrected needs another --output or rm -r {self.output}"
                error.hint = f"{error.hint}; {kept}" if error.hint else kept
            raise
        try:
            manifest = summed_up(totals, settings, self.plan)
        except DataError:
            discard_claim(self.output)
            raise
        if not self.options.allow_unknown:
            check_unknown(manifest)
        manifest = with_baselines(manifest)
        self._clean()  # before the manifest, behind which nothing is done any more
        write_manifest(self.output, manifest)
        # Its shards were looked at a moment ago.
        return prepared_data(read_manifest(self.output), self._started, self._prepared_bytes)

    def left(self) -> list[Slice]:
        """The slices that are not prepared."""
        return unfinished(self.output, self.plan.slices)

    @property
    def _vocabulary(self) -> Path:
        return self.output / (self.brought or self.options.vocabulary).file

    @property
    def _duplicates(self) -> Path | None:
        return None if self.options.duplicates is None else self.output / DUPLICATES_FOLDER

    def _duplicates_are_found(self) -> bool:
        folder, options = self.output / DUPLICATES_FOLDER, self.options.duplicates
        assert options is not None
        return load_duplicates(folder, len(self.plan.slices), options) is not None

    def _shares(self, *, finds: bool, trains: bool) -> dict[str, float]:
        """How long each pass of this call takes, more or less, in bytes that are tokenized."""
        schedule = self.schedule
        whole = sum(slice_.disk_bytes for slice_ in self.plan.slices)
        mine = sum(s.disk_bytes for s in self.plan.slices if schedule.has(s.index)) or 1
        shares = {name: cost * mine for name, cost in _COSTS.items()}
        shares[_COUNT] *= self.options.vocabulary.sample
        shares[_SEEK] *= self.options.vocabulary.sample
        shares[_SEEK] += min(_SEEKING, whole)
        is_there = {
            _SCAN: finds and schedule.does("scan"),
            _COMPARE: finds and schedule.stage not in ("scan", "finalize"),
            _COUNT: trains and schedule.does("vocabulary"),
            _SEEK: trains and schedule.does("prepare"),
            _PREPARE: schedule.does("prepare"),
            _SUM: schedule.does("finalize"),
        }
        return {name: share for name, share in shares.items() if is_there[name]}

    def _before_slices(self, *, finds: bool, trains: bool) -> int:
        """Duplicates and vocabulary: what all slices need, each made once and then kept.

        Returns:
          Slices of which this call did a stage's part.
        """
        schedule, done = self.schedule, 0
        if schedule.stage == "finalize":
            return 0
        if finds:
            done = self._find_duplicates()
        if trains and schedule.stage != "scan":
            done = self._train()
        return done

    def _find_duplicates(self) -> int:
        options, slices = self.options.duplicates, self.plan.slices
        assert options is not None
        folder, done = self.output / DUPLICATES_FOLDER, 0
        folder.mkdir(exist_ok=True)
        step_of = partial(scan_step, folder=folder, options=self.options)
        if self.schedule.does("scan"):
            done = self._passes.of_slices(_SCAN, slices, step_of)
        if self.schedule.stage != "scan":
            self._check("scan", step_of)
            self._passes.together(_COMPARE, search.passes(folder, len(slices), options))
            search.finish(folder, len(slices), options)
            if not self.schedule.is_shared:
                search.clean(folder)
        return done

    def _train(self) -> int:
        folder, done = self.output / WORDS_FOLDER, 0
        folder.mkdir(exist_ok=True)
        step_of = partial(
            vocabulary.count_step,
            folder=folder,
            options=self.options,
            duplicates=self._duplicates,
        )
        if self.schedule.does("vocabulary"):
            done = self._passes.of_slices(_COUNT, self.plan.slices, step_of)
        if self.schedule.does("prepare"):
            self._check("vocabulary", step_of)
            self._passes.together(_SEEK, self._trained(folder))
            if not self.schedule.is_shared:
                vocabulary.clean(folder)
        return done

    def _trained(self, folder: Path) -> Iterator[Sequence[Step]]:
        yield from vocabulary.merge_passes(folder, len(self.plan.slices), self.options)
        yield [vocabulary.train_step(folder, self._vocabulary, self.options)]

    def _check(self, stage: Stage, step_of: Callable[[Slice], Step]) -> None:
        slices = self.plan.slices
        missing = [slice_.index for slice_, _ in undone(slices, step_of)]
        check_done(stage, missing, len(slices), self.schedule)

    def _settings(self) -> SliceSettings:
        """What decides the shards besides the text."""
        options, path = self.options, self._vocabulary
        if path.is_file():
            content = path.read_bytes()
        elif self.brought:
            content = self.brought.content
        else:  # it is made before slices are prepared, and this is the end
            self._summed_up()
            raise TryAgainError(
                f"there is no vocabulary: {path} is missing",
                hint="run the same command with --stage prepare, which makes it again",
            )
        sha256 = hashlib.sha256(content).hexdigest()
        claim_vocabulary(self.output, path.name, sha256)
        if not path.is_file():
            atomic_write_bytes(path, content)
        tokenizer = self.brought or open_tokenizer(path, options.tokenizer, may_be_bare=True)
        self._watch = UnknownWatch(options.tokenizer, tokenizer.tokens, self.on_warning)
        vocab = VocabularyFile(
            file=path.name, size=len(tokenizer.tokens), sha256=sha256, kind=tokenizer.kind
        )
        limit = int(options.validation_fraction * 2**HASH_BITS)
        return SliceSettings(options, self.output, vocab, tokenizer.special, limit)

    def _prepare(self, slices: Sequence[Slice], settings: SliceSettings) -> None:
        mine = [s for s in self.plan.slices if self.schedule.has(s.index)]
        total = sum(slice_.disk_bytes for slice_ in mine)
        finished = total - sum(slice_.disk_bytes for slice_ in slices)
        tells = len(slices) > 1 or any(slice_.is_stream for slice_ in slices)

        def on_record(record: SliceRecord) -> None:
            self._prepared_bytes += record.counts.input_bytes
            if tells:
                self._watch.add(record)

        def on_progress(done: int) -> None:
            self._passes.tell(_PREPARE, (finished + done) / total)

        prepare_slices(
            slices,
            settings=settings,
            engine=self.engine,
            on_progress=on_progress,
            on_record=on_record,
        )

    def _stage_done(self, slices_done: int) -> StageDone:
        seconds = time.monotonic() - self._started
        slices = len(self.plan.slices)
        return StageDone(self.output, slices, slices_done, self._prepared_bytes, seconds)

    def _summed_up(self) -> Totals:
        """The figures of all slices, whose records are read once.

        Raises:
          TryAgainError: Some are not prepared.
        """
        totals, missing, slices = totals_of(self.plan), [], self.plan.slices
        for number, slice_ in enumerate(slices, start=1):
            record = finished_record(self.output, slice_.index)
            if record is None:
                missing.append(slice_.index)
            else:
                totals.add(record)
            self._passes.tell(_SUM, (number - len(missing)) / len(slices))
        check_done("prepare", missing, len(slices), self.schedule)
        return totals

    def _with_one_held_out(
        self, settings: SliceSettings, totals: Totals
    ) -> tuple[SliceSettings, Totals]:
        """Makes sure that at least one document is held out.

        If the fraction has caught none, the one with the lowest hash is, with all its copies; only
        slices that hold it are prepared again.
        """
        lowest = totals.lowest_hash
        if lowest is None or int(lowest, 16) < settings.held_out_below:
            return settings, totals
        settings = replace(settings, held_out_below=int(lowest, 16) + 1)
        affected = []
        for slice_ in self.plan.slices:
            record = finished_record(self.output, slice_.index)
            if record is None or not record.is_same_below(settings.held_out_below):
                affected.append(slice_)
        before = self._prepared_bytes
        self._prepare(affected, settings)
        self._prepared_bytes = before  # they were prepared before
        return settings, self._summed_up()

    def _clean(self) -> None:
        """Removes what nobody needs any more, if it has not gone before."""
        if self._duplicates is not None:
            search.clean(self._duplicates)
        vocabulary.clean(self.output / WORDS_FOLDER)
        remove_leftovers(self.output)

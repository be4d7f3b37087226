"""The stages of a preparation, one of them or all, once the output folder is claimed."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from electra_cli.corpus.duplicates import search
from electra_cli.corpus.preparation import vocabulary
from electra_cli.corpus.preparation.engines.engine import Engine
from electra_cli.corpus.preparation.engines.local import prepare_slices
from electra_cli.corpus.preparation.engines.passes import OnProgress, Passes
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.engines.tasks import all_prepared
from electra_cli.corpus.preparation.engines.whole_text import WholeText
from electra_cli.corpus.preparation.options import PrepareOptions, SliceSettings
from electra_cli.corpus.preparation.output import discard_claim, give_up, remove_leftovers
from electra_cli.corpus.preparation.plan import Plan, Slice
from electra_cli.corpus.preparation.plausibility import UnknownWatch, check_unknown
from electra_cli.corpus.preparation.records import (
    SliceRecord,
    Totals,
    finished_record,
    summed_up,
    unfinished,
)
from electra_cli.corpus.preparation.result import PreparedData, StageDone, prepared_data
from electra_cli.corpus.shards.inspect import with_baselines
from electra_cli.corpus.shards.manifest import load_manifest, read_manifest, write_manifest
from electra_cli.corpus.subword.open import TextIds
from electra_cli.errors import DataError
from electra_cli.files.layout import DUPLICATES_FOLDER, MANIFEST_FILE, WORDS_FOLDER

PREPARE, SUM = "tokenizing and packing", "summing up"


@dataclass(frozen=True)
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
        started, prepared_bytes = time.monotonic(), 0
        if (self.output / MANIFEST_FILE).is_file():
            return prepared_data(load_manifest(self.output), started, prepared_bytes)

        def stage_done(slices: int) -> StageDone:
            seconds = time.monotonic() - started
            return StageDone(self.output, len(self.plan.slices), slices, prepared_bytes, seconds)

        whole_text = WholeText.of(self.plan, self.output, self.options, self.schedule, self.brought)
        passes = self._passes(whole_text)
        try:
            done = whole_text.work(passes)
            if self.schedule.stage in ("scan", "vocabulary"):
                return stage_done(done)
            settings, tokenizer = whole_text.settings()
            if self.schedule.does("prepare"):
                left = unfinished(self.output, self._mine())
                watch = UnknownWatch(self.options.tokenizer, tokenizer.tokens, self.on_warning)
                # Of one slice the end says it.
                is_watched = len(left) > 1 or any(slice_.is_stream for slice_ in left)
                prepared_bytes = self._prepare(
                    left, settings, passes, watch.add if is_watched else lambda record: None
                )
                if self.schedule.stage == "prepare":
                    return stage_done(len(left))
            settings, totals = self._with_one_held_out(settings, passes)
        except DataError as error:
            give_up(self.output, error, shared=self.schedule.is_shared)
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
        return prepared_data(read_manifest(self.output), started, prepared_bytes)

    def left(self) -> list[Slice]:
        """The slices that are not prepared."""
        return unfinished(self.output, self.plan.slices)

    def _mine(self) -> list[Slice]:
        return [slice_ for slice_ in self.plan.slices if self.schedule.has(slice_.index)]

    def _passes(self, whole_text: WholeText) -> Passes:
        shares = whole_text.shares()
        if self.schedule.does("prepare"):
            shares[PREPARE] = 1.0
        if self.schedule.does("finalize"):
            shares[SUM] = 0.01
        return Passes(self.engine, self.schedule, shares, self.on_progress)

    def _prepare(
        self,
        slices: Sequence[Slice],
        settings: SliceSettings,
        passes: Passes,
        on_record: Callable[[SliceRecord], None] = lambda record: None,
    ) -> int:
        """Prepares slices; returns their uncompressed bytes."""
        total = sum(slice_.disk_bytes for slice_ in self._mine())
        finished = total - sum(slice_.disk_bytes for slice_ in slices)
        return prepare_slices(
            slices,
            settings=settings,
            engine=self.engine,
            on_progress=lambda done: passes.tell(PREPARE, (finished + done) / total),
            on_record=on_record,
        )

    def _with_one_held_out(
        self, settings: SliceSettings, passes: Passes
    ) -> tuple[SliceSettings, Totals]:
        """Sums all slices up, and makes sure that at least one document is held out.

        If the fraction has caught none, the one with the lowest hash is, with all its copies; only
        slices that hold it are prepared again.

        Raises:
          TryAgainError: Some slices are not prepared.
        """

        def totals() -> Totals:
            tell = partial(passes.tell, SUM)
            return all_prepared(self.plan, self.output, self.schedule, tell)

        found = totals()
        lowest = found.lowest_hash
        if lowest is None or int(lowest, 16) < settings.held_out_below:
            return settings, found
        settings = replace(settings, held_out_below=int(lowest, 16) + 1)
        affected = []
        for slice_ in self.plan.slices:
            record = finished_record(self.output, slice_.index)
            if record is None or not record.is_same_below(settings.held_out_below):
                affected.append(slice_)
        self._prepare(affected, settings, passes)
        return settings, totals()

    def _clean(self) -> None:
        """Removes what nobody needs any more, if it has not gone before."""
        if self.options.duplicates is not None:
            search.clean(self.output / DUPLICATES_FOLDER)
        vocabulary.clean(self.output / WORDS_FOLDER)
        remove_leftovers(self.output)

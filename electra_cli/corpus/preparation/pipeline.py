"""From text to a prepared folder: inputs, plan, and the stages that are asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

from electra_cli.corpus.preparation.engines.engine import Engine, engine_of
from electra_cli.corpus.preparation.engines.passes import OnProgress
from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.engines.stages import Preparation
from electra_cli.corpus.preparation.engines.tasks import check_begun
from electra_cli.corpus.preparation.engines.workers import Task, Workers
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.output import (
    claim_output_folder,
    opened_output,
    planned_cuts,
    read_plan,
)
from electra_cli.corpus.preparation.plan import make_plan
from electra_cli.corpus.preparation.plan_changes import check_same_options
from electra_cli.corpus.preparation.result import (
    PreparedData,
    StageDone,
    prepared_data,
    room_needed,
)
from electra_cli.corpus.preparation.standard_input import copied_standard_input
from electra_cli.corpus.reading.discovery import find_inputs, overview
from electra_cli.corpus.reading.faults import LeftOut
from electra_cli.corpus.reading.input_file import STANDARD_INPUT
from electra_cli.corpus.reading.passed_over import PassedOver
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.subword.brought import bring
from electra_cli.errors import DataError
from electra_cli.files.atomic import named_if_full
from electra_cli.files.remote.place import Place


def prepare_data(
    *,
    inputs: Sequence[Place],
    output: Path,
    options: PrepareOptions | None = None,
    schedule: Schedule | None = None,
    engine: Engine | None = None,
    on_progress: OnProgress = lambda fraction, stage: None,
    on_note: Callable[[str], None] = lambda text: None,
    on_warning: Callable[[str], None] = lambda text: None,
) -> PreparedData | StageDone:
    """Prepares text for pretraining.

    The shards and the manifest have the same bytes for any schedule. The same call again resumes
    an unfinished folder and returns at once on a finished one.

    Args:
      inputs: Files, folders, patterns, the same as URLs, and `-` for standard input.
      output: Folder to make, or to go on with.
      options: How to prepare it.
      schedule: Who does which part of it.
      engine: Does the work in the place of the one that the schedule names.
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
      TryAgainError: Another process is writing to the output, workers were killed, or the stage
        before is not over.
      TrainingError: Workers cannot start.
      IOFailedError: The disk is full; the same call goes on once there is room.
    """
    started = time.monotonic()
    options = options or PrepareOptions()
    schedule = schedule or Schedule()
    check_begun(output, options, schedule)
    brought = bring(options.vocab) if options.vocab else None
    if brought.options is None if brought else options.vocabulary.kind != "wordpiece":
        options = replace(options, lowercase=None, strip_accents=None)
    recorded = options.record(brought.tokenizer if brought else None)
    with (
        opened_output(output, shared=schedule.is_shared),
        # Within the lock: whatever happens, nothing is at work any more when that is given back.
        nullcontext(engine) if engine else engine_of(schedule, output, on_warning) as engine,
    ):
        copy = None
        if STANDARD_INPUT in inputs:
            copy = copied_standard_input(
                output,
                is_alone=len(inputs) == 1,
                is_whole=schedule.num_tasks == 1,
                on_note=on_note,
                on_progress=on_progress,
            )
            if copy is None:
                planned = read_plan(output)
                if [file["name"] for file in planned["inputs"]] != [str(STANDARD_INPUT)]:
                    raise DataError(
                        f"nothing comes through standard input, and {output} is of other input",
                        hint="look at what writes into the pipe",
                    )
                check_same_options(output, planned["options"], recorded)
                on_note(f"nothing comes through standard input, and {output} needs nothing more")
                return prepared_data(load_manifest(output), started, prepared_bytes=0)
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
            options=recorded,
            text_field=options.text_field,
            slice_bytes=options.slice_bytes,
            documents=options.documents,
            left_out=left_out,
            passed_over=passed_over,
            cuts=planned_cuts(output, options.slice_bytes),
        )
        if any(file.splits_at_row_groups for file in files):  # a library reads where these are
            with Workers(1, on_warning) as workers:
                plan = workers.one(Task("the plan", files[0].label, planning))
        else:
            plan = planning()
        left_out = plan.left_out
        for names, why in (
            (left_out.unreadable, "no reader knows them"),
            (left_out.damaged, "damaged from their beginning"),
        ):
            if names:
                on_note(f"left out by --on-error skip, {why}: {overview(names)}")
        preparation = Preparation(
            plan,
            output,
            options,
            schedule,
            brought.tokenizer if brought else None,
            engine,
            on_progress,
            on_warning,
        )
        with named_if_full(
            output,
            lambda: room_needed(preparation.left()),
            hint="free some space and run the same command again: it goes on where it stopped",
        ):
            claim_output_folder(
                output,
                plan,
                shared=schedule.is_shared,
                may_replace=schedule.stage != "finalize",  # it counts nothing
                on_note=on_note,
            )
            result = preparation.run()
    if isinstance(result, PreparedData) and (names := result.manifest.left_out):
        counts = result.manifest.counts
        met = counts.unreadable_files + counts.damaged_inputs
        count = met - len(left_out.unreadable) - len(left_out.damaged)
        on_note(f"read in part or left out by --on-error skip: {overview(names, count)}")
    return result

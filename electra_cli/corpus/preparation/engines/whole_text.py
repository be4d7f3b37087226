"""What slices need of the whole text: its duplicates are found, and a vocabulary is trained."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from electra_cli.corpus.duplicates import search
from electra_cli.corpus.duplicates.outcome import DuplicateOptions, load_duplicates
from electra_cli.corpus.preparation import vocabulary
from electra_cli.corpus.preparation.documents import scan_step
from electra_cli.corpus.preparation.engines.passes import Passes, undone
from electra_cli.corpus.preparation.engines.schedule import Schedule, Stage
from electra_cli.corpus.preparation.engines.tasks import all_prepared, check_done
from electra_cli.corpus.preparation.options import PrepareOptions, SliceSettings
from electra_cli.corpus.preparation.output import claim_vocabulary
from electra_cli.corpus.preparation.plan import Plan, Slice
from electra_cli.corpus.preparation.slices import HASH_BITS
from electra_cli.corpus.shards.manifest import VocabularyFile
from electra_cli.corpus.step import Step
from electra_cli.corpus.subword.open import TextIds, open_tokenizer
from electra_cli.errors import TryAgainError
from electra_cli.files.atomic import atomic_write_bytes
from electra_cli.files.layout import DUPLICATES_FOLDER, WORDS_FOLDER

# The passes, by what is being done.
SCAN, COMPARE = "looking for duplicates", "comparing what was found"
COUNT, SEEK = "counting words", "seeking word pieces"


@dataclass(frozen=True)
class WholeText:
    """The duplicates and the vocabulary of a preparation, each made once and then kept.

    Attributes:
      plan: What is prepared.
      output: Where to.
      options: How.
      schedule: Which stages are this call's, and which part of them.
      brought: A tokenizer that was given; None if one is trained.
      finds: The duplicates that are still to be found; None if none are, or they have been.
      trains: Whether a vocabulary is still to be trained.
    """

    plan: Plan
    output: Path
    options: PrepareOptions
    schedule: Schedule
    brought: TextIds | None
    finds: DuplicateOptions | None
    trains: bool

    @classmethod
    def of(
        cls,
        plan: Plan,
        output: Path,
        options: PrepareOptions,
        schedule: Schedule,
        brought: TextIds | None,
    ) -> Self:
        """With what is there already; the arguments are the attributes."""
        finds, folder = options.duplicates, output / DUPLICATES_FOLDER
        if finds and load_duplicates(folder, len(plan.slices), finds) is not None:
            finds = None
        trains = brought is None and not (output / options.vocabulary.file).is_file()
        return cls(plan, output, options, schedule, brought, finds, trains)

    def shares(self) -> dict[str, float]:
        """How long each pass over the text takes that is this call's; see `Passes`.

        Returns:
          The time of a byte; to tokenize and pack one takes 1.
        """
        shares = {}
        if self.finds and self.schedule.does("scan"):
            shares[SCAN] = 0.5
        if self.trains and self.schedule.does("vocabulary"):
            shares[COUNT] = 0.5 * self.options.vocabulary.sample
        return shares

    def work(self, passes: Passes) -> int:
        """Does what is this call's.

        Returns:
          Slices of which it did a stage's part.

        Raises:
          TryAgainError: The stage before is not over.
          ElectraError: Of a step that failed, or of a worker that died.
          OSError: A result cannot be written.
        """
        done = 0
        if self.finds and self.schedule.stage != "finalize":
            done = self._find(self.finds, passes)
        if self.trains and self.schedule.stage not in ("scan", "finalize"):
            done = self._train(passes)
        return done

    def settings(self) -> tuple[SliceSettings, TextIds]:
        """What decides the shards besides the text, and the tokenizer, which is in the folder then.

        Raises:
          TryAgainError: There is no vocabulary.
          DataError: It is not the one that the preparation began with.
          OSError: It cannot be written.
        """
        options, path = self.options, self._vocabulary
        if path.is_file():
            content = path.read_bytes()
        elif self.brought:
            content = self.brought.content
        else:  # it is made before slices are prepared, and this is the end
            all_prepared(self.plan, self.output, self.schedule)
            raise TryAgainError(
                f"there is no vocabulary: {path} is missing",
                hint="run the same command with --stage prepare, which makes it again",
            )
        sha256 = hashlib.sha256(content).hexdigest()
        claim_vocabulary(self.output, path.name, sha256)
        if not path.is_file():
            atomic_write_bytes(path, content)
        tokenizer = self.brought or open_tokenizer(path, options.tokenizer, may_be_bare=True)
        vocab = VocabularyFile(
            file=path.name, size=len(tokenizer.tokens), sha256=sha256, kind=tokenizer.kind
        )
        limit = int(options.validation_fraction * 2**HASH_BITS)
        return SliceSettings(options, self.output, vocab, tokenizer.special, limit), tokenizer

    @property
    def _vocabulary(self) -> Path:
        return self.output / (self.brought or self.options.vocabulary).file

    def _find(self, duplicates: DuplicateOptions, passes: Passes) -> int:
        folder, slices, done = self.output / DUPLICATES_FOLDER, self.plan.slices, 0
        folder.mkdir(exist_ok=True)
        step_of = partial(scan_step, folder=folder, options=self.options)
        if self.schedule.does("scan"):
            done = passes.of_slices(SCAN, slices, step_of)
        if self.schedule.stage != "scan":
            self._check("scan", step_of)
            passes.together(COMPARE, search.passes(folder, len(slices), duplicates))
            search.finish(folder, len(slices), duplicates)
            if not self.schedule.is_shared:
                search.clean(folder)
        return done

    def _train(self, passes: Passes) -> int:
        folder, slices, done = self.output / WORDS_FOLDER, self.plan.slices, 0
        folder.mkdir(exist_ok=True)
        found = self.output / DUPLICATES_FOLDER if self.options.duplicates else None
        step_of = partial(
            vocabulary.count_step, folder=folder, options=self.options, duplicates=found
        )
        if self.schedule.does("vocabulary"):
            done = passes.of_slices(COUNT, slices, step_of)
        if self.schedule.does("prepare"):
            self._check("vocabulary", step_of)
            passes.together(SEEK, self._training(folder))
            if not self.schedule.is_shared:
                vocabulary.clean(folder)
        return done

    def _training(self, folder: Path) -> Iterator[Sequence[Step]]:
        slices = len(self.plan.slices)
        yield from vocabulary.merge_passes(folder, slices, self.options)
        yield [vocabulary.train_step(folder, slices, self._vocabulary, self.options)]

    def _check(self, stage: Stage, step_of: Callable[[Slice], Step]) -> None:
        slices = self.plan.slices
        missing = [slice_.index for slice_, _ in undone(slices, step_of)]
        check_done(stage, missing, len(slices), self.schedule)

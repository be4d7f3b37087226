"""What is exported: a model together with all that the files beside its weights are made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from electra_cli.config.choices import Network
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.corpus.subword.open import TextIds, content_sha256, open_tokenizer
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds
from electra_cli.errors import DataError
from electra_cli.objectives import objective_of
from electra_cli.runs.metrics_file import read_history
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.sources.finetuned import Finetuned

if TYPE_CHECKING:
    from electra_cli.modeling.electra import ElectraModel
    from electra_cli.modeling.task_model import TaskModel


@dataclass(frozen=True)
class Exportable:
    """A checkpoint opened for export, still without its weights.

    Attributes:
      path: Where the weights are.
      config: The sizes, and for a run of ours its whole configuration.
      special_ids: Ids of the special tokens.
      tokenizer: How text is normalised before word pieces are looked for; None of another kind of
        tokenizer, whose file says it.
      vocab: The file of the word pieces, or a tokenizer.json; None for none, and no tokenizer.
      networks: Networks of pretraining that are there, the main network first; none of a
        fine-tuned model.
      load_model: Makes the model with its weights, in float32.
      checkpoint: The checkpoint, for a run of ours.
      manifest: The manifest of the data it was trained on, for a run of ours.
      finetuned: The run of a fine-tuning that it is; None for a model in pretraining.
    """

    path: Path
    config: Config
    special_ids: SpecialIds
    tokenizer: TokenizerOptions | None
    vocab: Path | None
    networks: Sequence[Network]
    load_model: Callable[[], ElectraModel | TaskModel]
    checkpoint: Checkpoint | None = None
    manifest: Manifest | None = None
    finetuned: Finetuned | None = None

    @property
    def length(self) -> int:
        """Tokens of the rows that it was trained on."""
        task = self.finetuned and self.finetuned.config.task
        return task.max_length if task else self.config.data.sequence_length

    @property
    def max_length(self) -> int:
        """Tokens that a text may have, [CLS] and [SEP] included."""
        return self.length if self.finetuned else self.config.model.max_position_embeddings

    @cached_property
    def text_ids(self) -> TextIds | None:
        """What makes ids of texts; None without a vocabulary.

        Raises:
          InputMissingError: Its file is not there.
          DataError: It is damaged.
        """
        if self.vocab is None:
            return None
        return open_tokenizer(
            self.vocab,
            self.tokenizer,
            special=self.special_ids,
            rows=self.config.model.vocab_size,
        )

    @property
    def is_electric(self) -> bool:
        """Whether the discriminator says how unlikely tokens are, not whether they were replaced.

        Its generator is then two towers.
        """
        return self.finetuned is None and self.config.objective.name == "electric"

    @property
    def has_towers(self) -> bool:
        """Whether its generator is there, and is two towers: no other library has such a model."""
        return self.is_electric and "generator" in self.networks


def open_own(checkpoint: Checkpoint) -> Exportable:
    """Reads what lies beside a checkpoint of ours; TensorFlow waits until the model is loaded.

    Raises:
      DataError: The checkpoint, or the run folder's copy of manifest or vocabulary is damaged.
      InputMissingError: The vocabulary is missing.
    """
    checkpoint.check_whole()
    manifest = checkpoint.manifest()

    def load_model() -> ElectraModel:
        from electra_cli.interop.weights import load_checkpoint

        return load_checkpoint(checkpoint)

    config = checkpoint.config()
    item = Exportable(
        path=checkpoint.prefix,
        config=config,
        special_ids=manifest.special_ids,
        tokenizer=manifest.tokenizer,
        vocab=checkpoint.run.data / manifest.vocab.file,
        networks=config.objective.networks,
        load_model=load_model,
        checkpoint=checkpoint,
        manifest=manifest,
    )
    if (tokenizer := item.text_ids) and content_sha256(tokenizer) != manifest.vocab.sha256:
        raise DataError(
            f"{item.vocab} is not the vocabulary that the run was trained with",
            hint=f"copy {manifest.vocab.file} from the prepared data into {checkpoint.run.data}",
        )
    return item


def open_task(model: Finetuned) -> Exportable:
    """A fine-tuned model as what is exported."""
    return Exportable(
        path=model.checkpoint.prefix,
        config=model.sizes,
        special_ids=model.inputs.special_ids,
        tokenizer=model.inputs.tokenizer,
        vocab=model.vocab,
        networks=(),
        load_model=model.load_model,
        checkpoint=model.checkpoint,
        finetuned=model,
    )


def held_out_metrics(checkpoint: Checkpoint) -> dict[str, float]:
    """What is recorded in the run folder about a checkpoint on the held-out split.

    Returns:
      Metrics by name, in the order of the objective; empty if this step was not evaluated.
    """
    names = objective_of(checkpoint.config().objective).metrics
    for line in reversed(read_history(checkpoint.run.metrics).of_kind("validation")):
        if line["step"] == checkpoint.step:
            # What is no finite number is null there.
            return {name: line[name] for name in names if isinstance(line.get(name), float)}
    return {}

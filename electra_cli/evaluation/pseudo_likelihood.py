"""How likely sentences are to an Electric, in one pass each and without a mask.

The pseudo-log-likelihood of a sentence is the sum of log p(token | all other tokens) over its
tokens (Clark et al. 2020, "Pre-Training Transformers as Energy-Based Cloze Models"). An Electric
has the energy E of each token, with p = exp(-E) / Z at the token's place. Noise-contrastive
estimation drives every Z towards 1, so Z is taken for 1 and the sum is that of -E. [CLS] and [SEP]
are never drawn as noise, and count nowhere.

TensorFlow waits until sentences are scored: what is wrong with them is said before.

Shapes: B sentences of a batch, S sequence, T tokens of a sentence.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from electra_cli.corpus.reading.input_file import STANDARD_INPUT
from electra_cli.corpus.wordpiece.pieces import Ids
from electra_cli.errors import ConfigError, DataError, InputMissingError
from electra_cli.finetuning.examples.content import as_text, faulty, read_bytes
from electra_cli.runs.run_folder import Checkpoint
from electra_cli.sources.exportable import Exportable, open_own
from electra_cli.sources.finetuned import is_finetuned

_POSITIONS = 8192  # of a batch, at most, padding included


@dataclass(frozen=True)
class Sentences:
    """What is scored.

    Attributes:
      model: Whom it is for.
      texts: Of the sentences.
      ids: Of each one's tokens, [T] without [CLS] and [SEP].
    """

    model: Exportable
    texts: Sequence[str]
    ids: Sequence[Ids]


@dataclass(frozen=True)
class Scored:
    """A sentence with its pseudo-log-likelihood.

    Attributes:
      sentence: The text.
      tokens: T word pieces.
      per_token: -E of each, in nats; T.
    """

    sentence: str
    tokens: Sequence[str]
    per_token: Sequence[float]

    @property
    def score(self) -> float:
        """The sum over the tokens, in nats: the higher, the likelier."""
        return float(np.sum(self.per_token, dtype=np.float64))

    @property
    def mean(self) -> float:
        """The same a token."""
        return self.score / len(self.tokens)


def check_alone(paths: Sequence[Path], others: Sequence[str]) -> None:
    """Refuses what has no meaning where sentences are scored.

    Args:
      paths: The checkpoints that are named.
      others: Names of other options that are given.

    Raises:
      ConfigError: There is one such thing.
    """
    if others:
        raise ConfigError(
            f"--pseudo-likelihood with {others[0]}: it scores sentences and no held-out data",
            hint=f"leave {others[0]} out",
        )
    if len(paths) > 1:
        raise ConfigError(
            f"--pseudo-likelihood takes one checkpoint, not {len(paths)}",
            hint=f"electra evaluate {paths[0]} --pseudo-likelihood FILE, and likewise each other",
        )
    if is_finetuned(paths[0]):
        raise ConfigError(
            f"--pseudo-likelihood: {paths[0]} is a fine-tuned model, which does not say how likely "
            "a token is",
            hint="name a run of `electra pretrain --set objective.name=electric`",
        )


def read_sentences(checkpoint: Checkpoint, path: Path) -> Sentences:
    """Reads a file of sentences, one a line.

    Args:
      checkpoint: Of a run of objective electric.
      path: The file, compressed or not; "-" for standard input.

    Raises:
      ConfigError: The run has another objective.
      InputMissingError: The file is not there.
      DataError: It is no text in UTF-8, or a line has no tokens or more than fit.
    """
    objective = checkpoint.config().objective.name
    if objective != "electric":
        raise ConfigError(
            f"--pseudo-likelihood: {checkpoint.run.path} has objective {objective}, which does not "
            "say how likely a token is among the others without a mask",
            hint="name a run of `electra pretrain --set objective.name=electric`",
        )
    if path == STANDARD_INPUT:
        if sys.stdin is None:
            raise InputMissingError("standard input is closed", hint="pipe the sentences in")
        path, content = Path("standard input"), sys.stdin.buffer.read()
    else:
        content = read_bytes(path)
    text = as_text(content, path, needed="text, one sentence a line")
    if not text:
        raise DataError(f"{path} is empty", hint="each line is a sentence and gets a score")
    lines = [line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")]
    model = open_own(checkpoint)
    tokenizer = model.text_ids
    assert tokenizer is not None, "a run of ours has its tokenizer"
    ids = list(tokenizer.ids(lines))
    room = model.length - 2
    if empty := [f"{number:,}" for number, found in enumerate(ids, 1) if not len(found)]:
        raise faulty(
            path,
            "line",
            "without a token",
            empty,
            hint="each line is a sentence and gets a score: take empty ones out of the file",
        )
    longer = [
        f"{number:,} ({len(found):,})" for number, found in enumerate(ids, 1) if len(found) > room
    ]
    if longer:
        raise faulty(
            path,
            "line",
            f"of more tokens than the {room:,} of a row that {checkpoint.run.path} was trained on",
            longer,
            hint="divide them at the ends of sentences; a part of a sentence has another score",
        )
    return Sentences(model, lines, ids)


def score(
    sentences: Sentences,
    *,
    device: str = "auto",
    share: bool = False,
    on_progress: Callable[[int], None] = lambda done: None,
    check_stop: Callable[[], None] = lambda: None,
    warn: Callable[[str], object] = lambda text: None,
) -> list[Scored]:
    """Scores sentences in float32, in their order.

    Args:
      sentences: What `read_sentences` read.
      device: As in `pretrain`.
      share: Also use a GPU on which another process computes.
      on_progress: Receives how many sentences are done.
      check_stop: Raises between two batches if this is to end.
      warn: Hears of a GPU that stays idle.

    Raises:
      DataError: The weights are damaged.
      TryAgainError: Another process uses the GPU.
    """
    import tensorflow as tf

    from electra_cli.modeling.electra import ElectraModel
    from electra_cli.modeling.fused import plain_operations
    from electra_cli.training.devices.machine import device_of
    from electra_cli.training.devices.strategy import build_strategy, parse_device

    strategy = build_strategy(parse_device(device), share=share, warn=warn)
    with tf.device(device_of(strategy).to_string()):
        model = sentences.model.load_model()
    assert isinstance(model, ElectraModel), "a run of pretraining has no task"
    ids_of = tf.TensorSpec([None, None], tf.int32)

    # Plain operations, since kernels would be compiled for each length.
    @tf.function(input_signature=[ids_of, ids_of], autograph=False)
    def energies(ids: tf.Tensor, input_mask: tf.Tensor) -> tf.Tensor:
        with plain_operations():
            features = {"input_mask": input_mask, "segment_ids": tf.zeros_like(ids)}
            return model.discriminate(ids, features)[0]  # [B, S]

    tokenizer = sentences.model.text_ids
    assert tokenizer is not None, "they were made by it"
    found: dict[int, Scored] = {}
    for places in _batches([len(ids) for ids in sentences.ids]):
        check_stop()
        rows, mask = _rows([sentences.ids[place] for place in places], sentences.model)
        with tf.device(device_of(strategy).to_string()):
            likely = -energies(tf.constant(rows), tf.constant(mask)).numpy()  # [B, S]
        for place, of_row in zip(places, likely, strict=True):
            ids = sentences.ids[place]
            tokens = [tokenizer.tokens[number] for number in ids]
            inside = of_row[1 : len(ids) + 1].astype(float).tolist()  # [T]
            found[place] = Scored(sentences.texts[place], tokens, inside)
        on_progress(len(found))
    return [found[place] for place in range(len(found))]


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Places of sentences that are about as long as each other, the shortest ones first."""
    batch: list[int] = []
    for place in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * (lengths[place] + 2) > _POSITIONS:
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


def _rows(
    ids: Sequence[Ids], model: Exportable
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """[CLS] sentence [SEP] padding, and what is none; [B, S] each."""
    special = model.special_ids
    shape = len(ids), max(map(len, ids)) + 2
    rows, mask = np.full(shape, special.pad, np.int32), np.zeros(shape, np.int32)
    for row, found in enumerate(ids):
        end = len(found) + 2
        rows[row, :end] = [special.cls, *found, special.sep]
        mask[row, :end] = 1
    return rows, mask

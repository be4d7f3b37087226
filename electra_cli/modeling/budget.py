"""What a configuration costs, in closed form: parameters, FLOPs, tokens, memory.

Symbols: V vocabulary, P positions, T segment types, E embedding, S sequence, M masked slots in a
row, L layers; h width, f feed-forward width and H heads of one network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.rules.batches import largest_batch, rows_before
from electra_cli.config.schema import Config
from electra_cli.modeling.architecture import (
    MOST_CANDIDATES,
    MOST_QUERIES,
    Architecture,
    EncoderSizes,
)

Compute = Literal["float32", "bfloat16", "float16"]

# TensorFlow with all it loads, and the graphs and kernels of a layer of a network. Estimate and
# measured peak of whole processes on two cores, in GiB, with 10,720 word pieces:
#   tiny   float32   32 rows 1.34 / 1.38   128 rows 2.29 / 2.25   512 rows 6.10 / 5.92
#   tiny   float32   64 rows of 512 positions 4.76 / 4.85, 256 of them 16.00 / 15.54
#   tiny   bfloat16  32 rows 1.23 / 1.26                          512 rows 4.34 / 3.96
#   small  float32   32 rows 2.95 / 2.95   128 rows 7.15 / 7.02
#   small  bfloat16  32 rows 2.32 / 2.30   128 rows 4.57 / 4.58
# and of objective electric with 30,522 word pieces:
#   tiny   float32   32 rows 1.72 / 1.69   128 rows 2.93 / 2.61
_PROCESS_GIB, _LAYER_GIB = 0.9, 0.02


@dataclass(frozen=True)
class Parameters:
    """Parameters: each network without the embeddings, 0 for none; those; and the sum.

    Embeddings of a network's own are part of it, and a generator that is frozen counts too.
    """

    generator: int
    discriminator: int
    shared: int
    total: int


@dataclass(frozen=True)
class Budget:
    """The numbers printed before step 1.

    `flops_per_token` is of a training step and per position of the batch, padding included;
    `tokens_per_step` counts the same positions; `memory_bytes` is an estimate for one replica's
    tensors, `process_bytes` of what a process needs besides.
    """

    parameters: Parameters
    flops_per_token: float
    tokens_per_step: int
    memory_bytes: int
    process_bytes: int


def budget_of(
    config: Config,
    replicas: int = 1,
    precision: Compute = "float32",
    *,
    compiled: bool = False,
) -> Budget:
    """Computes the budget of a configuration.

    Args:
      config: The configuration.
      replicas: Copies of the model that share a batch; only the memory depends on it.
      precision: Compute type; only the memory depends on it.
      compiled: The step is compiled as a whole for a GPU; only the memory depends on it.
    """
    parameters = _parameters(config)
    layers = sum(network.layers for network in Architecture.of(config).networks)
    return Budget(
        parameters=parameters,
        flops_per_token=_flops_per_token(config),
        tokens_per_step=config.train.batch_size * config.data.sequence_length,
        memory_bytes=_memory_bytes(config, parameters, replicas, precision, compiled),
        process_bytes=int((_PROCESS_GIB + _LAYER_GIB * layers) * 2**30),
    )


def task_budget(
    architecture: Architecture,
    config: FinetuneConfig,
    head: int,
    *,
    replicas: int = 1,
    precision: Compute = "float32",
    compiled: bool = False,
) -> Budget:
    """The budget of a fine-tuning, where the head's products count for nothing.

    Args:
      architecture: Of the encoder.
      config: Task and recipe.
      head: Parameters of the head.
      replicas: Copies of the model that share a batch.
      precision: Compute type.
      compiled: As of `budget_of`.
    """
    sizes, train, length = architecture.main, config.train, config.task.max_length
    shared = _embedding_parameters(architecture, architecture.embedding)
    encoder = _encoder_parameters(sizes, architecture.embedding) + head
    rows = -(-train.batch_size // (replicas * train.accumulation_steps))
    state = _state_bytes(shared + encoder, train.accumulation_steps, precision)
    value = _value_size(precision)
    kept = _kept_bytes(sizes, architecture.embedding, length, value, compiled)
    return Budget(
        parameters=Parameters(0, encoder, shared, shared + encoder),
        flops_per_token=3 * _encoder_flops(sizes, architecture.embedding, length),
        tokens_per_step=train.batch_size * length,
        memory_bytes=int(state + rows * length * kept),
        process_bytes=int((_PROCESS_GIB + _LAYER_GIB * sizes.layers) * 2**30),
    )


def flops_by_step(config: Config) -> Callable[[int], float]:
    """Returns what counts the FLOPs of so many updates: forward and backward, padding included."""
    of_row = _flops_per_token(config) * config.data.sequence_length
    return lambda step: of_row * rows_before(config.train, step)


def epochs_of(config: Config, examples: int) -> float | None:
    """Returns how often the run reads each prepared training example (row); None without end."""
    steps = config.train.steps
    return None if steps is None else rows_before(config.train, steps) / examples


def _parameters(config: Config) -> Parameters:
    """Counts weights: both networks use the embeddings and their LayerNorm, hence "shared".

    Tables of the generator's own are its, residuals and an encoder that is both networks the
    discriminator's.
    """
    architecture = Architecture.of(config)
    embedding, width = architecture.embedding, architecture.generator_embedding
    shared = _embedding_parameters(architecture, embedding)
    generator = discriminator = 0
    if (sizes := architecture.generator) is not None:
        towers = architecture.towers
        if architecture.sharing != "all":
            generator = towers * _encoder_parameters(sizes, width)
        if architecture.own_embedding is not None:
            generator += _embedding_parameters(architecture, width)
        # Head and its LayerNorm.
        generator += _dense(towers * sizes.hidden, width) + 2 * width
        generator += architecture.vocab_size  # output bias; the output table is the word table
    if (sizes := architecture.discriminator) is not None:
        discriminator = _encoder_parameters(sizes, embedding)
        discriminator += _dense(sizes.hidden, sizes.hidden) + _dense(sizes.hidden, 1)  # head
        if architecture.is_disentangled:
            discriminator += shared
    return Parameters(
        generator=generator,
        discriminator=discriminator,
        shared=shared,
        total=generator + discriminator + shared,
    )


def _embedding_parameters(architecture: Architecture, width: int) -> int:
    """Tables of a width, and the LayerNorm's scale and offset."""
    rows = architecture.vocab_size + architecture.max_positions + architecture.types
    return rows * width + 2 * width


def _encoder_parameters(network: EncoderSizes, embedding: int) -> int:
    """Projection of the embeddings where widths differ, and the layers."""
    h, f = network.hidden, network.intermediate
    layer = 4 * _dense(h, h) + 2 * h + _dense(h, f) + _dense(f, h) + 2 * h
    projection = _dense(embedding, h) if embedding != h else 0
    return projection + network.layers * layer


def _dense(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def _flops_per_token(config: Config) -> float:
    """Counts the matrix products of a training step, per position.

    A product of [a, b] and [b, c] is 2abc operations, and the backward pass does two of them for
    each one of the forward pass, hence 3 × forward. Forward, per position:
      each network:       2Eh (only if E != h) + L · (8h² + 4hf + 4Sh)
      discriminator head: 2h² + 2h
      generator head:     (2hE + 2EV) · M/S, since only masked positions are predicted; of two
                          towers 4hE + 2EV, and 2EV · M/S more in the forward pass alone
    E is the width of what a network reads. A generator that is frozen has no backward pass.
    Look-ups, LayerNorm, softmax, activations, sampling and the optimizer are left out. The paper's
    totals differ: its script takes the backward pass to cost as much as the forward pass, and
    counts look-ups as products with the whole table.
    """
    length, architecture = config.data.sequence_length, Architecture.of(config)
    *generators, main = zip(architecture.networks, architecture.widths, strict=True)
    forward = _encoder_flops(*main, length)
    beside = sum(_encoder_flops(*network, length) for network in generators)
    if (sizes := architecture.discriminator) is not None:
        forward += 2 * sizes.hidden**2 + 2 * sizes.hidden
    if (sizes := architecture.generator) is not None:
        width = architecture.generator_embedding
        of_words = 2 * width * config.model.vocab_size
        masked = config.max_predictions / length
        if architecture.two_towers:
            beside += 4 * sizes.hidden * width + of_words + of_words * masked / 3
        else:
            beside += (2 * sizes.hidden * width + of_words) * masked
    return 3 * forward + (1 if architecture.frozen else 3) * beside


def _encoder_flops(network: EncoderSizes, embedding: int, length: int) -> float:
    """Of the forward pass, per position."""
    h, f = network.hidden, network.intermediate
    projection = 2 * embedding * h if embedding != h else 0
    return projection + network.layers * (8 * h * h + 4 * h * f + 4 * length * h)


def _value_size(precision: Compute) -> int:
    return 4 if precision == "float32" else 2


def _state_bytes(parameters: int, accumulation_steps: int, precision: Compute) -> int:
    """Weights, gradients and slots, and copies of some of them."""
    accumulates = accumulation_steps > 1
    copied = _value_size(precision) == 2
    return parameters * (16 + (4 if accumulates else 0) + (2 if copied else 0))


def _kept_bytes(
    network: EncoderSizes,
    embedding: int,
    length: int,
    value: int,
    compiled: bool,
    recomputes: bool = False,
) -> float:
    """Bytes that are kept of a position for the backward pass, in values of `value` bytes."""
    layer: float = value * (9 * network.hidden + 2 * network.intermediate)
    weights = network.heads * length  # of attention
    if not compiled:
        layer += 2.5 * value * weights
    elif length <= MOST_QUERIES:
        # Scores and weights are kept too, but XLA keeps less of the rest. Its own account by this
        # sum, bfloat16: tiny 32 x 128 0.8, small 128 x 128 0.9, base 64 x 512 0.9.
        layer += weights
    layers = network.layers * layer
    if recomputes:
        # What comes into each, and all of the one that is at work.
        layers = value * network.layers * network.hidden + layer
    return 3 * value * embedding + layers


def _memory_bytes(
    config: Config, parameters: Parameters, replicas: int, precision: Compute, compiled: bool
) -> int:
    """Estimates the memory of one replica's tensors.

      weights, gradients, two Adam slots: 16 bytes a parameter, all in float32; a frozen one has 4
      + 4 bytes a parameter for the sum of gradients when they are accumulated
      + 2 bytes a parameter for the 16-bit copy of the weights in mixed precision
      + activations kept for the backward pass, rows × positions × value size ×
        [per network: 3E (embeddings) + L · (9h + 2f + 5/2·H·S), or, if layers are computed again,
        3E + L · h + 9h + 2f + 5/2·H·S]
      + rows × M × 4V float32 values of the generator's output: logits, softmax, their gradient,
        cumulative distribution
    The term of a layer is that of Korthikanti et al. (2022), "Reducing Activation Recomputation in
    Large Transformer Models", equation 2, with f for 4h. A step that is compiled for a GPU keeps
    no weights of attention of rows that are longer than a block, and of the generator's output the
    logits and their gradient in the compute type.
    """
    architecture = Architecture.of(config)
    frozen = parameters.generator if architecture.frozen else 0
    state = 4 * frozen
    state += _state_bytes(parameters.total - frozen, config.train.accumulation_steps, precision)
    length, value = config.data.sequence_length, _value_size(precision)
    rows = -(-largest_batch(config.train) // (replicas * config.train.accumulation_steps))
    learning = architecture.learning  # of others nothing is kept
    kept = sum(
        _kept_bytes(network, width, length, value, compiled, architecture.recomputes)
        for network, width in zip(learning.networks, learning.widths, strict=True)
    )
    output = 0
    if architecture.generator is not None:
        logits = 2 * value if compiled else 4 * 4
        output = rows * config.max_predictions * config.model.vocab_size * logits
        if architecture.two_towers:
            # Of masked positions logits without a gradient, of all others those of a block.
            output = output // 2 + MOST_CANDIDATES * config.model.vocab_size * logits
    return int(state + rows * length * kept + output)

"""What a configuration costs, in closed form: parameters, FLOPs, tokens, memory.

Symbols: V vocabulary, P positions, T segment types, E embedding, S sequence, M masked slots in a
row, L layers; h width, f feed-forward width and H heads of one network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from electra_cli.config.schema import Config
from electra_cli.modeling.architecture import Architecture, EncoderSizes

Compute = Literal["float32", "bfloat16", "float16"]

# TensorFlow with all it loads, and the graphs and kernels of a layer of a network. Estimate and
# measured peak of whole processes on two cores, in GiB, with 10,720 word pieces:
#   tiny   float32   32 rows 1.34 / 1.38   128 rows 2.29 / 2.25   512 rows 6.10 / 5.92
#   tiny   float32   64 rows of 512 positions 4.76 / 4.85, 256 of them 16.00 / 15.54
#   tiny   bfloat16  32 rows 1.23 / 1.26                          512 rows 4.34 / 3.96
#   small  float32   32 rows 2.95 / 2.95   128 rows 7.15 / 7.02
#   small  bfloat16  32 rows 2.32 / 2.30   128 rows 4.57 / 4.58
_PROCESS_GIB, _LAYER_GIB = 0.9, 0.02


@dataclass(frozen=True)
class Parameters:
    """Trainable parameters: each network without the embeddings, 0 for none; those; and the sum."""

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


def budget_of(config: Config, replicas: int = 1, precision: Compute = "float32") -> Budget:
    """Computes the budget of a configuration.

    Args:
      config: The configuration.
      replicas: Copies of the model that share a batch; only the memory depends on it.
      precision: Compute type; only the memory depends on it.
    """
    parameters = _parameters(config)
    layers = sum(network.layers for network in Architecture.of(config).networks)
    return Budget(
        parameters=parameters,
        flops_per_token=_flops_per_token(config),
        tokens_per_step=config.train.batch_size * config.data.sequence_length,
        memory_bytes=_memory_bytes(config, parameters.total, replicas, precision),
        process_bytes=int((_PROCESS_GIB + _LAYER_GIB * layers) * 2**30),
    )


def epochs_of(config: Config, examples: int) -> float:
    """Returns how often the run reads each of the prepared training examples (rows)."""
    return config.train.steps * config.train.batch_size / examples


def _parameters(config: Config) -> Parameters:
    """Counts weights: both networks use the embeddings and their LayerNorm, hence "shared"."""
    model, architecture = config.model, Architecture.of(config)
    embedding = model.embedding_size
    rows = model.vocab_size + model.max_position_embeddings + model.type_vocab_size
    shared = rows * embedding + 2 * embedding  # tables; LayerNorm scale and offset
    generator = discriminator = 0
    if (sizes := architecture.generator) is not None:
        generator = _encoder_parameters(sizes, embedding)
        generator += _dense(sizes.hidden, embedding) + 2 * embedding  # head and its LayerNorm
        generator += model.vocab_size  # output bias; the output table is the shared word table
    if (sizes := architecture.discriminator) is not None:
        discriminator = _encoder_parameters(sizes, embedding)
        discriminator += _dense(sizes.hidden, sizes.hidden) + _dense(sizes.hidden, 1)  # head
    return Parameters(
        generator=generator,
        discriminator=discriminator,
        shared=shared,
        total=generator + discriminator + shared,
    )


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
      generator head:     (2hE + 2EV) · M/S, since only masked positions are predicted
    Look-ups, LayerNorm, softmax, activations, sampling and the optimizer are left out. The paper's
    totals differ: its script takes the backward pass to cost as much as the forward pass, and
    counts look-ups as products with the whole table.
    """
    embedding, length = config.model.embedding_size, config.data.sequence_length
    architecture = Architecture.of(config)
    forward = 0.0
    for network in architecture.networks:
        h, f = network.hidden, network.intermediate
        forward += 2 * embedding * h if embedding != h else 0
        forward += network.layers * (8 * h * h + 4 * h * f + 4 * length * h)
    if (sizes := architecture.discriminator) is not None:
        forward += 2 * sizes.hidden**2 + 2 * sizes.hidden
    if (sizes := architecture.generator) is not None:
        masked_lm_head = 2 * sizes.hidden * embedding + 2 * embedding * config.model.vocab_size
        forward += masked_lm_head * config.max_predictions / length
    return 3 * forward


def _memory_bytes(config: Config, parameters: int, replicas: int, precision: Compute) -> int:
    """Estimates the memory of one replica's tensors.

      weights, gradients, two Adam slots: 16 bytes a parameter, all in float32
      + 4 bytes a parameter for the sum of gradients when they are accumulated
      + 2 bytes a parameter for the 16-bit copy of the weights in mixed precision
      + activations kept for the backward pass, rows × positions × value size ×
        [per network: 3E (embeddings) + L · (9h + 2f + 5/2·H·S)]
      + rows × M × 4V float32 values of the generator's output: logits, softmax, their gradient,
        cumulative distribution
    The term of a layer is that of Korthikanti et al. (2022), "Reducing Activation Recomputation in
    Large Transformer Models", equation 2, with f for 4h.
    """
    value_size = 4 if precision == "float32" else 2
    accumulates = config.train.accumulation_steps > 1
    per_parameter = 16 + (4 if accumulates else 0) + (2 if value_size == 2 else 0)
    length = config.data.sequence_length
    rows = -(-config.train.batch_size // (replicas * config.train.accumulation_steps))
    values = 0.0
    architecture = Architecture.of(config)
    for network in architecture.networks:
        layer = 9 * network.hidden + 2 * network.intermediate + 2.5 * network.heads * length
        values += 3 * config.model.embedding_size + network.layers * layer
    activations = rows * length * values * value_size
    output = 0
    if architecture.generator is not None:
        output = rows * config.max_predictions * 4 * config.model.vocab_size * 4
    return int(parameters * per_parameter + activations + output)

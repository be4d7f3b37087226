"""The sizes a model is built from, whichever configuration they come from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from electra_cli.config.choices import Sharing
from electra_cli.config.schema import Config

# Queries of a block of attention, where a step is compiled as a whole and rows are longer.
MOST_QUERIES = 128
# Positions whose logits over the vocabulary exist at a time, where all of them have some.
MOST_CANDIDATES = 512

# How the name of a table ends that is added to another one; see `encoder.ResidualEmbeddings`.
RESIDUAL = "_residual"


@dataclass(frozen=True)
class EncoderSizes:
    """One transformer over the embeddings.

    Attributes:
      hidden: D.
      layers: Blocks.
      heads: H; divides D.
      intermediate: F, width of the feed-forward layers.
      hidden_dropout: On embeddings and the outputs of sublayers.
      attention_dropout: On attention weights.
      initializer_range: Standard deviation of the initialiser.
    """

    hidden: int
    layers: int
    heads: int
    intermediate: int
    hidden_dropout: float
    attention_dropout: float
    initializer_range: float


@dataclass(frozen=True)
class NextSentenceSizes:
    """The head for BERT's next-sentence labels, which ELECTRA does without.

    Attributes:
      inner: Width of its hidden layer; 0 for none.
      classes: How many labels there are.
      dropout: Before the last layer.
    """

    inner: int
    classes: int
    dropout: float


@dataclass(frozen=True)
class Architecture:
    """Generator, discriminator and what they share; one of both may be absent.

    Attributes:
      vocab_size: V.
      embedding: E.
      max_positions: Rows of the position table.
      types: Rows of the segment table.
      generator: Sizes of the generator, which fills masks.
      discriminator: Sizes of the discriminator, which tells replaced tokens.
      seed: Decides the weights at step 0.
      sharing: What both networks share; see `generator.sharing` in config/sections.py.
      own_embedding: Width of the generator's own embeddings, where sharing is none; None: E.
      next_sentence: A head on the generator's first token, or none.
      frozen: Whether the generator stays as it is.
      two_towers: Whether the generator is two networks of its sizes, which read a text from its
        beginning and from its end.
      recomputes: Whether only the inputs of blocks are kept for the backward pass.
    """

    vocab_size: int
    embedding: int
    max_positions: int
    types: int
    generator: EncoderSizes | None
    discriminator: EncoderSizes | None
    seed: int
    sharing: Sharing = "tied"
    own_embedding: int | None = None
    next_sentence: NextSentenceSizes | None = None
    frozen: bool = False
    two_towers: bool = False
    recomputes: bool = False

    @classmethod
    def of(cls, config: Config) -> Architecture:
        """The networks of a configuration's objective at its sizes."""
        model, networks = config.model, config.objective.networks
        sharing, own_embedding = config.generator.sharing, None

        def sizes(hidden: int, heads: int, intermediate: int, layers: int) -> EncoderSizes:
            return EncoderSizes(
                hidden=hidden,
                layers=layers,
                heads=heads,
                intermediate=intermediate,
                hidden_dropout=model.hidden_dropout,
                attention_dropout=model.attention_dropout,
                initializer_range=model.initializer_range,
            )

        main = sizes(
            model.hidden_size, model.num_attention_heads, model.intermediate_size, model.num_layers
        )
        beside = main
        if sharing != "all":
            beside = sizes(*config.generator_sizes, config.generator_layers)
        if sharing == "none":
            own_embedding = config.generator.embedding_size or beside.hidden
        return cls(
            vocab_size=model.vocab_size,
            embedding=model.embedding_size,
            max_positions=model.max_position_embeddings,
            types=model.type_vocab_size,
            generator=(beside if len(networks) > 1 else main) if "generator" in networks else None,
            discriminator=main if "discriminator" in networks else None,
            seed=config.train.seed,
            sharing=sharing,
            own_embedding=own_embedding,
            frozen=config.generator.frozen is not None,
            two_towers=config.objective.name == "electric",
            recomputes=model.gradient_checkpointing,
        )

    @property
    def generator_embedding(self) -> int:
        """Width of the embeddings that the generator reads."""
        return self.own_embedding or self.embedding

    @property
    def is_disentangled(self) -> bool:
        """Whether the discriminator reads the generator's tables and residuals of its own."""
        return self.sharing == "disentangled" and len(self.networks) > 1

    @property
    def plain(self) -> Architecture:
        """A plain ELECTRA that computes the same: no table is a sum, and every weight can learn."""
        if not self.is_disentangled:
            return replace(self, frozen=False)
        return replace(self, sharing="none", own_embedding=self.embedding)

    @property
    def learning(self) -> Architecture:
        """The networks that learn: all but a generator that is frozen."""
        if not self.frozen:
            return self
        return replace(self, generator=None, sharing="tied", own_embedding=None, frozen=False)

    @property
    def main(self) -> EncoderSizes:
        """Sizes of the main network, whose variables are below `electra/`."""
        return self.networks[-1]

    @property
    def networks(self) -> tuple[EncoderSizes, ...]:
        """Sizes of the networks there are, of each tower apart."""
        generators = [self.generator] * self.towers
        return tuple(sizes for sizes in (*generators, self.discriminator) if sizes is not None)

    @property
    def widths(self) -> tuple[int, ...]:
        """Width of the embeddings that each of `networks` reads."""
        of_generators = [self.generator_embedding] * (len(self.networks) - 1)
        return (*of_generators, self.embedding)

    @property
    def towers(self) -> int:
        """How many networks the generator is."""
        return 2 if self.two_towers else 1


# By key of the configuration; what belongs to the generator alone has none and begins with
# "generator ".
Sizes = dict[str, int]


def sizes_of(architecture: Architecture) -> Sizes:
    """The sizes of a model of ours; an encoder that is both networks is the main one."""
    sizes = {
        "model.vocab_size": architecture.vocab_size,
        "model.embedding_size": architecture.embedding,
        "model.max_position_embeddings": architecture.max_positions,
        "model.type_vocab_size": architecture.types,
        **_encoder("model.", architecture.main),
    }
    if architecture.discriminator and architecture.generator and architecture.sharing != "all":
        sizes |= _encoder("generator ", architecture.generator)
        if architecture.own_embedding is not None:
            sizes["generator embedding_size"] = architecture.own_embedding
    return sizes


def _encoder(prefix: str, sizes: EncoderSizes) -> Sizes:
    return {
        f"{prefix}hidden_size": sizes.hidden,
        f"{prefix}num_layers": sizes.layers,
        f"{prefix}num_attention_heads": sizes.heads,
        f"{prefix}intermediate_size": sizes.intermediate,
    }

"""Weights of other projects: checkpoints of the reference, Hugging Face folders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError

from electra_cli.config.choices import Network, Sharing
from electra_cli.config.schema import Config, GeneratorSizes
from electra_cli.config.values import first_fault
from electra_cli.corpus.reading.discovery import overview
from electra_cli.corpus.subword.brought import bring
from electra_cli.corpus.subword.tokenizer_file import TokenizerFile
from electra_cli.corpus.wordpiece.found_tokenizer import choose_options
from electra_cli.corpus.wordpiece.identity import TokenizerOptions
from electra_cli.corpus.wordpiece.vocabulary import SpecialIds, special_ids, vocabulary_text
from electra_cli.environment import prepare_tensorflow
from electra_cli.errors import ConfigError, DataError, counted, listed
from electra_cli.files.layout import VOCABULARY_FILE
from electra_cli.files.record import read_json
from electra_cli.interop.disentangled import fitting
from electra_cli.interop.huggingface import are_one_encoder
from electra_cli.interop.huggingface_folder import SIZE_KEYS, has_one_table, read_tensors
from electra_cli.interop.sizes import check_sizes
from electra_cli.interop.source import CHECKPOINT, Source, find_source
from electra_cli.interop.values import OTHER, TOWERS, Values, absent, part_of
from electra_cli.modeling.architecture import Architecture, Sizes, sizes_of
from electra_cli.sources.exportable import Exportable

# Weights that come without a vocabulary have the ids of the one that the released models share, or,
# where the word table is smaller, the first ones.
_RELEASED_IDS = SpecialIds(pad=0, unk=100, cls=101, sep=102, mask=103)
_FIRST_IDS = SpecialIds(pad=0, unk=1, cls=2, sep=3, mask=4)
_SHARES = {
    "hidden_dropout_prob": "model.hidden_dropout",
    "attention_probs_dropout_prob": "model.attention_dropout",
    "initializer_range": "model.initializer_range",
}
_ONLY = (
    "electra's generators have heads of 64 and four times their width in their feed-forward "
    "layers; others cannot be converted"
)


class _NetworkRecord(BaseModel):
    """What a configuration of the reference says of a network."""

    model_config = ConfigDict(strict=True)

    hidden_size: PositiveInt
    num_hidden_layers: PositiveInt
    num_attention_heads: PositiveInt
    intermediate_size: PositiveInt
    hidden_act: Literal["gelu"] = "gelu"  # ours is that in every model


class _GeneratorRecord(_NetworkRecord):
    embedding_size: PositiveInt | None = None  # of embeddings of its own


class _DiscriminatorRecord(_NetworkRecord):
    vocab_size: PositiveInt
    max_position_embeddings: PositiveInt
    type_vocab_size: PositiveInt


class _ReferenceRecord(BaseModel):
    model_config = ConfigDict(strict=True)

    discriminator: _DiscriminatorRecord
    generator: _GeneratorRecord | None = None
    embedding_size: PositiveInt


def open_foreign(
    path: Path,
    *,
    reference_config: Path | None = None,
    vocab: Path | None = None,
    lowercase: bool | None = None,
    scratch: Path,
    needs_head: bool = True,
    on_progress: Callable[[str], None] = lambda stage: None,
) -> Exportable:
    """Opens weights that no run of ours belongs to.

    Args:
      path: What `interop.source.find_source` understands.
      reference_config: Sizes of a checkpoint of the reference, as JSON; None for what our own
        exports have beside it, else to infer them.
      vocab: The vocabulary; None for the one beside the weights, if there is one.
      lowercase: Whether the tokenizer lower-cases; None for what is recorded, else yes.
      scratch: A folder for the vocabulary as it is exported, which need not be a file yet.
      needs_head: Whether the discriminator's head must be there too, not the encoder alone.
      on_progress: Receives what was inferred.

    Raises:
      InputMissingError: One of the paths is not there.
      DataError: Sizes, weights or vocabulary are damaged or do not fit each other.
    """
    source = find_source(path)
    sizes = dict(source.sizes)
    record: dict[str, Any] = {}
    values = None
    if CHECKPOINT in source.files:
        values = _values(source.files[CHECKPOINT])
        reference_config = reference_config or _config_beside(source.files[CHECKPOINT])
    if reference_config is not None:
        on_progress(f"sizes from {reference_config}")
        told_sizes, record = _read_config(reference_config)
        sizes |= told_sizes
    elif values is not None:
        heads = "heads as recorded" if sizes else "heads are 64 wide"
        sizes = _infer(values) | sizes
        told = ", ".join(f"{key} {size}" for key, size in sizes.items())
        on_progress(f"sizes inferred from the weights ({heads}): {told}")
    elif "discriminator" in source.files:
        record = read_json(source.files["discriminator"] / "config.json", hint="copy it again")
    sharing = _sharing(source, values, sizes)
    has_towers = values is not None and any(part_of(name) in TOWERS for name in values.arrays)
    del values  # as large as the model
    config = _configuration(sizes, sharing, record, reference_config or path)
    if has_towers:
        config = config.replaced({"objective.name": "electric"})
    with _hint(_ONLY):
        check_sizes(sizes, sizes_of(Architecture.of(config)), reference_config or path)
    source = replace(source, sizes=sizes, tokenizers=[vocab] if vocab else source.tokenizers)
    found = source.read_tokenizers()
    if found and (lacking := config.model.vocab_size - len(found[0].tokens)) > 0:
        on_progress(
            f"the vocabulary has {len(found[0].tokens):,} tokens and the model "
            f"{config.model.vocab_size:,}: {counted(lacking, 'token')} without a text; is it "
            "that of these weights?"
        )
    options: TokenizerOptions | None = TokenizerOptions(lowercase=True, strip_accents=True)
    file = None
    ids = _RELEASED_IDS if config.model.vocab_size > _RELEASED_IDS.mask else _FIRST_IDS
    if not found:
        on_progress("no vocabulary, so no tokenizer is written (--vocab FILE names one)")
    elif isinstance(found[0], TokenizerFile):
        brought = bring(found[0].path, lowercase=lowercase)
        for note in brought.notes:
            on_progress(note)
        options, file, ids = None, found[0].path, brought.tokenizer.special
    else:
        tokenizer = found[0].filled(config.model.vocab_size)
        options, notes = choose_options(tokenizer, lowercase=None, strip_accents=None)
        if lowercase is not None:
            # Accents go with case, unless this is the casing that was found.
            if lowercase != options.lowercase:
                options = TokenizerOptions(lowercase=lowercase, strip_accents=lowercase)
            flag = "--lowercase" if lowercase else "--no-lowercase"
            notes = [f"casing from {flag}: {options}", *tokenizer.notes]
        for note in notes:
            on_progress(note)
        ids = special_ids(tokenizer.tokens)
        file = scratch / VOCABULARY_FILE
        file.write_text(vocabulary_text(tokenizer.tokens), encoding="utf-8")
    there = config.objective.networks
    has_generator = sharing == "all" or "generator hidden_size" in sizes
    return Exportable(
        path=path,
        config=config,
        special_ids=ids,
        tokenizer=options,
        vocab=file,
        networks=there if has_generator else ("discriminator",),
        load_model=lambda: _load(source, config, needs_head, on_progress),
    )


def _load(
    source: Source, config: Config, needs_head: bool, on_progress: Callable[[str], None]
) -> Any:
    from electra_cli.interop.weights import load_weights
    from electra_cli.modeling.electra import ElectraModel

    architecture = Architecture.of(config)
    model = ElectraModel(architecture)
    with _hint("the weights need a whole discriminator, and --reference-config their sizes"):
        source.check(architecture)
        missing: list[Network] = ["generator"] if needs_head else ["generator", "discriminator"]
        report = load_weights(model, source, allow_missing=missing)
        if "discriminator" in report.missing_parts():
            raise absent(str(source.path), "discriminator", "discriminator")
    # Names of a checkpoint say whether they are of a network; others are of its training.
    of_training = [
        name for name in report.unused if CHECKPOINT in source.files and part_of(name) == OTHER
    ]
    if of_training:
        on_progress(f"left out, as it is of no network: {overview(of_training)}")
    unused = [name for name in report.unused if name not in of_training]
    if unused:
        raise DataError(
            f"{source.path} holds weights that have no place in the model: {listed(unused)}",
            hint="without them it would be another model; both networks have to share their "
            "embeddings, and each needs its own layers and head and nothing else",
        )
    return model


@contextmanager
def _hint(hint: str) -> Iterator[None]:
    """Gives an error this hint instead of one with options that export does not have."""
    try:
        yield
    except DataError as error:
        if "--set " in error.hint or "--init-allow-missing" in error.hint:
            raise DataError(error.message, hint=hint) from error
        raise


def _values(prefix: Path) -> Values:
    """What a checkpoint holds, in the form of a plain ELECTRA."""
    prepare_tensorflow()
    from electra_cli.interop.checkpoint import read_checkpoint

    values = read_checkpoint(prefix)
    return replace(values, arrays=fitting(values.arrays, ()))


def _infer(values: Values) -> Sizes:
    """Sizes from the shapes of a checkpoint's weights, with heads as the reference scales them."""
    from electra_cli.interop.sizes import sizes_of_arrays

    sizes = sizes_of_arrays(values.arrays)
    for network in ("model.", "generator "):
        if f"{network}hidden_size" in sizes:
            made = GeneratorSizes.of_width(sizes[f"{network}hidden_size"])
            sizes[f"{network}num_attention_heads"] = made.heads
    return sizes | values.sizes


def _sharing(source: Source, values: Values | None, sizes: Sizes) -> Sharing:
    """What the networks of a source share.

    Args:
      source: The source.
      values: What it holds, if it is a checkpoint.
      sizes: What is known of its sizes.
    """
    if values is not None:
        parts = {part_of(name) for name in values.arrays}
        if {"generator head", "discriminator head"} <= parts and "generator" not in parts:
            return "all"
        return "none" if "generator embeddings" in parts else "tied"
    if len(source.files) < 2:
        return "tied"
    width = sizes.get("model.embedding_size")
    if sizes.get("generator embedding_size", width) != width or not has_one_table(source.files):
        return "none"
    if any(
        sizes.get(f"generator {key}") != sizes.get(f"model.{key}") for key in SIZE_KEYS.values()
    ):
        return "tied"
    tensors = {network: read_tensors(folder) for network, folder in source.files.items()}
    return "all" if are_one_encoder(tensors) else "tied"


def _config_beside(prefix: Path) -> Path | None:
    """The configuration that an export of ours has beside its checkpoint."""
    path = prefix.with_name("config.json")
    if not path.is_file():
        return None
    return path if "discriminator" in read_json(path, hint="copy it again") else None


def _read_config(path: Path) -> tuple[Sizes, dict[str, Any]]:
    """Reads {"discriminator": {...}, "generator": {...}, "embedding_size": N}.

    Returns:
      The sizes of both networks, and what is said of the discriminator.
    """
    hint = "correct it, or leave --reference-config out to infer the sizes"
    record = read_json(path, hint=hint)
    try:
        told = _ReferenceRecord.model_validate(record)
    except ValidationError as error:
        raise DataError(
            f"{path} is no configuration of the reference: {first_fault(error)}", hint=hint
        ) from error
    sizes: Sizes = {"model.embedding_size": told.embedding_size}
    for prefix, network in (("model.", told.discriminator), ("generator ", told.generator)):
        if network is not None:
            sizes |= {prefix + ours: getattr(network, key) for key, ours in SIZE_KEYS.items()}
    if told.generator is not None and told.generator.embedding_size is not None:
        sizes["generator embedding_size"] = told.generator.embedding_size
    shared = ("vocab_size", "max_position_embeddings", "type_vocab_size")
    sizes |= {f"model.{key}": getattr(told.discriminator, key) for key in shared}
    return sizes, record["discriminator"]


def _configuration(sizes: Sizes, sharing: Sharing, record: dict[str, Any], path: Path) -> Config:
    """A configuration with these sizes; what is not known stays at its default.

    Args:
      sizes: The sizes of both networks.
      sharing: What they share.
      record: What their configuration says of the discriminator.
      path: Where they come from, for messages.
    """
    for key, size in sizes.items():
        if size < 1:
            raise DataError(f"{path}: {key} is {size}", hint="sizes begin at 1: copy it again")
    if "model.hidden_size" not in sizes:
        raise DataError(
            f"{path} has no discriminator", hint="name weights that have one: it is what is used"
        )
    values: dict[str, Any] = {k: size for k, size in sizes.items() if k.startswith("model.")}
    values |= {ours: record[theirs] for theirs, ours in _SHARES.items() if theirs in record}
    values |= {"generator.sharing": sharing}
    if sharing == "all":
        values |= {"generator.size": 1.0, "generator.layers": 1.0}
    elif (width := sizes.get("generator hidden_size")) is not None:
        values["generator.size"] = width / sizes["model.hidden_size"]
        layers, of = sizes.get("generator num_layers"), sizes.get("model.num_layers")
        if layers and of:
            values["generator.layers"] = layers / of
    if sharing == "none":
        values["generator.embedding_size"] = sizes.get("generator embedding_size")
    positions = sizes.get("model.max_position_embeddings", 512)
    try:
        return Config().replaced(values | {"data.sequence_length": min(128, positions)})
    except (ConfigError, ValidationError) as error:
        reason = first_fault(error) if isinstance(error, ValidationError) else error.message
        raise DataError(
            f"{path} has sizes that no model of electra has: {reason}",
            hint="--reference-config FILE.json tells the sizes of a checkpoint; other weights of "
            "these sizes cannot be converted",
        ) from error

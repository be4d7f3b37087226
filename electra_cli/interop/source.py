"""Decides what a path that is to give weights is, without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from electra_cli.config.choices import Network
from electra_cli.config.schema import Config
from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.corpus.subword.tokenizer_file import TokenizerFile
from electra_cli.corpus.wordpiece.found_tokenizer import (
    NETWORK_FOLDERS,
    FoundTokenizer,
    read_tokenizer,
)
from electra_cli.corpus.wordpiece.vocabulary import OtherRulesError, load_vocabulary
from electra_cli.corpus.wordpiece.vocabulary_folder import find_vocabulary, has_tokenizer
from electra_cli.errors import DataError, InputMissingError, listed
from electra_cli.files.layout import COMMIT_FILE, STATE, is_prefix, prefix_of
from electra_cli.files.record import read_json
from electra_cli.interop import huggingface_folder
from electra_cli.interop.sizes import check_sizes
from electra_cli.interop.values import absent
from electra_cli.modeling.architecture import Architecture, Sizes, sizes_of
from electra_cli.runs.named import own_checkpoints
from electra_cli.runs.run_folder import Checkpoint

CHECKPOINT = "checkpoint"

_SAVED_MODEL = "saved_model.pb"
_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
# Pickled files beside weights, which a training loop leaves and nobody needs here.
_LOOP_STATE = ("training_args", "optimizer", "scheduler", "rng_state", "scaler")
_STATE = re.compile(r'^model_checkpoint_path: "(.*)"', re.MULTILINE)
_SLOT = re.compile(r"\[unused.*\]")


@dataclass(frozen=True)
class Source:
    """Where weights are.

    Attributes:
      path: Its path as it was named.
      files: The prefix of a TensorFlow checkpoint under CHECKPOINT, or the Hugging Face folder of
        the discriminator, the generator or both.
      tokenizers: Folders of tokenizers that belong to it.
      sizes: What its configuration says about the model's sizes; empty if it has none.
    """

    path: Path
    files: Mapping[str, Path]
    tokenizers: list[Path] = field(default_factory=list)
    sizes: Sizes = field(default_factory=dict)

    def check(self, architecture: Architecture) -> None:
        """Compares sizes, as far as they are known without reading weights.

        Raises:
          DataError: They differ from those of the model to fill.
        """
        check_sizes(self.sizes, sizes_of(architecture), self.path, self.vocab)

    @property
    def vocab(self) -> Path | None:
        """What `prepare-data --vocab` is to name so that its word table fits; None if unknown."""
        return self.tokenizers[0] if self.tokenizers and "model.vocab_size" in self.sizes else None

    def check_networks(
        self, networks: Collection[Network], allow_missing: Collection[Network]
    ) -> None:
        """Refuses to do without a network, as far as it is known without reading weights.

        Args:
          networks: Those of the model to fill.
          allow_missing: Those of which the encoder or the head may be absent.

        Raises:
          DataError: A network is absent that may not be missing.
        """
        for network in networks:
            here = CHECKPOINT in self.files or network in self.files
            if not here and network not in allow_missing:
                raise absent(str(self.path), network, network)

    def read_tokenizers(
        self, *, any_rules: bool = False
    ) -> Sequence[FoundTokenizer | TokenizerFile]:
        """Reads all tokenizers that belong to it.

        Args:
          any_rules: The argument of `read_tokenizer`: word pieces of tokenizers with other rules
            than BERT's count as such ones, and not as tokenizers of the library.

        Raises:
          DataError: One is damaged, has more tokens than the word table has rows, or they differ.
          InputMissingError: A file cannot be opened.
        """
        found = [_read(path, any_rules=any_rules) for path in self.tokenizers]
        for tokenizer in found:
            rows = self.sizes.get("model.vocab_size", len(tokenizer.tokens))
            if len(tokenizer.tokens) > rows:
                raise DataError(
                    f"{tokenizer.path} has {len(tokenizer.tokens)} tokens, the weights of "
                    f"{self.path} {rows}: ids from {rows} on would have no row in the word table",
                    hint="put the vocabulary that the model was trained with in its place",
                )
            if differs := found[0].identity.difference(tokenizer.identity):
                what, one, other = differs
                raise DataError(
                    f"{found[0].path} and {tokenizer.path} differ in {what}: {one}, and {other}",
                    hint="both networks of a model share their tokenizer; name one of the two",
                )
        return found

    def check_tokenizer(self, manifest: Manifest) -> list[str]:
        """Compares tokenizers: ids have to mean what they meant to the weights.

        Data whose vocabulary goes on with [unusedN] where that of the weights ends is theirs too:
        the word table has rows for them, or else the sizes differ, which `check` says.

        Returns:
          What could not be compared, in sentences.

        Raises:
          DataError: The data was prepared with another one, or one of the source's is damaged.
        """
        found = self.read_tokenizers(any_rules=manifest.tokenizer is not None)
        if not found:
            return [
                f"there is no {manifest.vocab.file} beside {self.path}: that its tokens are those "
                "of the data is not checked"
            ]
        data, is_ours = manifest.identity, manifest.tokenizer is not None
        theirs = load_vocabulary(manifest.vocab_path) if is_ours else []
        for tokenizer in found:
            own, ours = list(tokenizer.tokens), tokenizer.identity
            if isinstance(tokenizer, FoundTokenizer):
                own = tokenizer.own_tokens
            if theirs[: len(own)] == own and all(map(_SLOT.fullmatch, theirs[len(own) :])):
                ours = data.with_options(ours.options)
            ours.check_data(
                data,
                of=str(self.path),
                folder=manifest.folder,
                vocab=tokenizer.path.parent,
            )
        if manifest.tokenizer is None or found[0].identity.options is not None:
            return []
        return [
            f"nothing beside {found[0].path} says whether its text was lower-cased: that it is as "
            f"in the data ({manifest.tokenizer}) is not checked"
        ]


def _read(path: Path, *, any_rules: bool) -> FoundTokenizer | TokenizerFile:
    try:
        return read_tokenizer(path, any_rules=any_rules)
    except OtherRulesError:
        file = find_vocabulary(path) if path.is_dir() else path
        if file.suffix != ".json":
            raise
        return TokenizerFile(file)


def find_source(path: Path) -> Source:
    """Finds the weights at a path.

    Args:
      path: A run folder (its newest checkpoint is meant) or a checkpoint of one, the prefix of a
        checkpoint or a folder with one, or a Hugging Face folder, also one with folders for
        discriminator and generator in it.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: It holds no weights in a format that is known, or something beside them is damaged.
    """
    if own := own_checkpoints(path):
        return _of_run(path, own[-1])
    prefix = prefix_of(path)
    if is_prefix(prefix):
        return _checkpoint(path, prefix)
    if not path.exists():
        raise InputMissingError(f"no weights at {path}", hint=f"name {_KNOWN}")
    if path.is_file():
        raise _refusal(path, [path])
    parts = [path / name for name in NETWORK_FOLDERS]
    folders = [folder for folder in parts if huggingface_folder.is_folder(folder)]
    # The folder itself may hold a model made of both beside such parts, which is none of ours.
    if huggingface_folder.is_folder(path) and (
        not folders or huggingface_folder.is_pretraining(path)
    ):
        folders.insert(0, path)
    if folders:
        return _huggingface(path, folders)
    found = _prefix_in(path)
    if found is None:
        raise _refusal(path, [f for folder in (path, *parts) for f in sorted(folder.glob("*"))])
    return _checkpoint(path, found)


def _refusal(path: Path, files: list[Path]) -> DataError:
    if (path / _SAVED_MODEL).is_file():
        return DataError(
            f"{path} is a SavedModel, which is there to be run: no weights are read from it",
            hint=f"name {_KNOWN}",
        )
    inside = [file for file in files if file.is_dir() and _holds_weights(file)]
    if inside:
        folders = ", ".join(file.name for file in inside)
        return DataError(
            f"{path} itself holds no weights; these folders in it do: {folders}",
            hint=f"name one of them, for example {inside[-1]}",
        )
    pickles = [
        file
        for file in files
        if file.is_file() and file.suffix in _PICKLES and not file.name.startswith(_LOOP_STATE)
    ]
    if pickles:
        return DataError(
            f"{pickles[0]} is a pickled file, which can run code when it is read",
            hint="convert it to safetensors: in transformers, "
            "AutoModelForPreTraining.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), or "
            "AutoModelForMaskedLM for a generator",
        )
    if path.is_file() and _holds_weights(path.absolute().parent):
        return DataError(
            f"{path} is one file of several that belong together",
            hint=f"name its folder: {path.parent}",
        )
    names = [file.name for file in files if file.parent == path]
    has = "" if path.is_file() else f": it has {listed(names, 5) or 'nothing in it'}"
    return DataError(f"{path} holds no weights that can be read{has}", hint=f"name {_KNOWN}")


def _holds_weights(folder: Path) -> bool:
    return (
        huggingface_folder.is_folder(folder)
        or any(folder.glob("*.index"))
        or bool(own_checkpoints(folder))
    )


def _huggingface(path: Path, folders: list[Path]) -> Source:
    sizes: Sizes = {}
    files: dict[str, Path] = {}
    for folder in folders:
        network, found = huggingface_folder.read_network(folder)
        if network in files:
            raise DataError(
                f"{files[network]} and {folder} both hold a {network}", hint="name one of the two"
            )
        for key in sizes.keys() & found.keys():
            if sizes[key] != found[key]:
                raise DataError(
                    f"{path}: {key} is {sizes[key]} in one network and {found[key]} in the other",
                    hint="both networks of a model share their embeddings; name one of the two",
                )
        files[network] = folder
        sizes |= found
    # The discriminator first: its embeddings are the ones that are used.
    ordered = {network: files[network] for network in sorted(files)}
    beside = dict.fromkeys((path, *folders))
    return Source(path, ordered, [folder for folder in beside if has_tokenizer(folder)], sizes)


def _of_run(path: Path, own: Checkpoint) -> Source:
    sizes, data = sizes_of(Architecture.of(own.config())), own.run.data
    return Source(path, {CHECKPOINT: own.prefix}, [data] if has_tokenizer(data) else [], sizes)


def _checkpoint(path: Path, prefix: Path) -> Source:
    folder = prefix.absolute().parent
    tokenizers = [folder] if has_tokenizer(folder) else []
    return Source(path, {CHECKPOINT: prefix}, tokenizers, _recorded_sizes(prefix))


def _recorded_sizes(prefix: Path) -> Sizes:
    """What a checkpoint of ours that was taken out of its run says of its sizes."""
    record = prefix.with_name(COMMIT_FILE)
    if prefix.name != STATE or not record.is_file():
        return {}
    sizes = read_json(record, hint="copy it again").get("sizes")
    keys = sizes_of(Architecture.of(Config()))
    told = sizes.items() if isinstance(sizes, dict) else ()
    return {key: size for key, size in told if key in keys and type(size) is int}


def _prefix_in(folder: Path) -> Path | None:
    """The checkpoint of a folder: the one `checkpoint` names, or the only one.

    Raises:
      DataError: There are several, and none is named.
    """
    state = folder / "checkpoint"
    text = state.read_text(encoding="utf-8", errors="replace") if state.is_file() else ""
    named = _STATE.search(text)
    # The name alone counts: folders are moved, and the path may be that of another machine.
    if named and is_prefix(folder / Path(named[1]).name):
        return folder / Path(named[1]).name
    prefixes = sorted(prefix_of(file) for file in folder.glob("*.index"))
    if len(prefixes) < 2:
        return prefixes[0] if prefixes else None
    names = listed([prefix.name for prefix in prefixes], 5)
    raise DataError(
        f"{folder} holds {len(prefixes)} checkpoints, {names}, and no file `checkpoint` "
        "that names one of them",
        hint=f"name one: {prefixes[-1]}",
    )


_KNOWN = (
    "a run folder, the prefix of a checkpoint, or a Hugging Face folder with config.json and "
    "model.safetensors"
)

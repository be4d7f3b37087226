"""Decides what a path that is to give weights is, without TensorFlow."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from electra_cli.config.load import read_config
from electra_cli.corpus.manifest import Manifest
from electra_cli.corpus.vocabulary import load_vocabulary, vocabulary_sha256
from electra_cli.errors import DataError, InputMissingError
from electra_cli.interop import huggingface_folder
from electra_cli.interop.sizes import Sizes, check_sizes, sizes_of
from electra_cli.interop.values import Network, absent
from electra_cli.modeling.architecture import Architecture

CHECKPOINT = "checkpoint"

_PICKLES = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}
_STEP = re.compile(r"ckpt-(\d+)")
_STATE = re.compile(r'^model_checkpoint_path: "(.*)"', re.MULTILINE)


@dataclass(frozen=True)
class Source:
    """Where weights are.

    Attributes:
      path: As it was named.
      files: The prefix of a TensorFlow checkpoint under CHECKPOINT, or the Hugging Face folder of
        the discriminator, the generator or both.
      vocabularies: Vocabulary files that belong to it.
      sizes: What its configuration says about the model's sizes; empty if it has none.
    """

    path: Path
    files: Mapping[str, Path]
    vocabularies: list[Path] = field(default_factory=list)
    sizes: Sizes = field(default_factory=dict)

    def check(self, architecture: Architecture) -> None:
        """Compares sizes, as far as they are known without reading weights.

        Raises:
          DataError: They differ from those of the model to fill.
        """
        check_sizes(self.sizes, sizes_of(architecture), self.path)

    def check_networks(self, allow_missing: Collection[Network]) -> None:
        """Refuses to do without a network, as far as it is known without reading weights.

        Raises:
          DataError: A network is absent that may not be missing.
        """
        for network in get_args(Network):
            here = CHECKPOINT in self.files or network in self.files
            if not here and network not in allow_missing:
                raise absent(str(self.path), network, network)

    def check_vocabulary(self, manifest: Manifest) -> None:
        """Compares vocabularies: ids have to mean what they meant to the weights.

        Raises:
          DataError: The data was prepared with another one.
        """
        for path in self.vocabularies:
            tokens = load_vocabulary(path)
            if vocabulary_sha256(tokens) != manifest.vocab.sha256:
                raise DataError(
                    f"{path} ({len(tokens)} word pieces) is not the vocabulary of "
                    f"{manifest.folder} ({manifest.vocab.size})",
                    hint=f"electra prepare-data INPUT --vocab {path} --output DIR",
                )


def find_source(path: Path) -> Source:
    """Finds the weights at a path.

    Args:
      path: A run folder (its newest checkpoint is meant), the prefix of a checkpoint or a folder
        with one, or a Hugging Face folder, also one with `discriminator/` and `generator/`.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: It holds no weights in a format that is known, or something beside them is damaged.
    """
    prefix = Path(str(path).removesuffix(".index"))
    if _is_prefix(prefix):
        return _checkpoint(path, prefix)
    if not path.exists():
        raise InputMissingError(f"no weights at {path}", hint=f"name {_KNOWN}")
    if path.is_file():
        raise _refusal(path, [path])
    parts = [path / name for name in ("discriminator", "generator")]
    folders = [folder for folder in (path, *parts) if huggingface_folder.is_folder(folder)]
    if folders:
        return _huggingface(path, folders)
    found = _prefix_in(path)
    if found is None:
        files = [file for folder in (path, *parts) for file in sorted(folder.glob("*"))]
        raise _refusal(path, files)
    return _checkpoint(path, found)


def _refusal(path: Path, files: list[Path]) -> DataError:
    pickles = [file for file in files if file.is_file() and file.suffix in _PICKLES]
    if pickles:
        return DataError(
            f"{pickles[0]} is a pickled file, which can run code when it is read",
            hint="convert it to safetensors: in transformers, "
            "AutoModelForPreTraining.from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), or "
            "AutoModelForMaskedLM for a generator",
        )
    return DataError(f"{path} holds no weights that can be read", hint=f"name {_KNOWN}")


def _huggingface(path: Path, folders: list[Path]) -> Source:
    sizes: Sizes = {}
    files: dict[str, Path] = {}
    for folder in folders:
        network, found = huggingface_folder.read_config(folder)
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
    beside = dict.fromkeys(folder / "vocab.txt" for folder in (path, *folders))
    # The discriminator first: its embeddings are the ones that are used.
    ordered = {network: files[network] for network in sorted(files)}
    return Source(path, ordered, [file for file in beside if file.is_file()], sizes)


def _checkpoint(path: Path, prefix: Path) -> Source:
    folder = prefix.absolute().parent
    in_run = folder.parent if _STEP.fullmatch(folder.name) else folder  # RUN/checkpoints
    config = in_run.parent / "config.yaml"
    files = {CHECKPOINT: prefix}
    if in_run.name == "checkpoints" and config.is_file():  # one of our runs
        sizes = sizes_of(Architecture.of(read_config(config)))
        vocabulary = config.parent / "data" / "vocab.txt"
    else:
        sizes, vocabulary = {}, folder / "vocab.txt"
    return Source(path, files, [vocabulary] if vocabulary.is_file() else [], sizes)


def _prefix_in(folder: Path) -> Path | None:
    """The checkpoint of a folder: a run's newest, the one `checkpoint` names, or the only one."""
    run = folder / "checkpoints"
    if run.is_dir() and (folder / "config.yaml").is_file():
        # A folder for each checkpoint; an older electra wrote their files side by side.
        found = {p.with_suffix(""): p.with_suffix("") for p in run.glob("ckpt-*.index")}
        found |= {p: p / "state" for p in run.glob("ckpt-*") if p.is_dir()}
        steps = {int(m[1]): found[p] for p in found if (m := _STEP.fullmatch(p.name))}
        return steps[max(steps)] if steps else None
    state = folder / "checkpoint"
    named = _STATE.search(state.read_text(encoding="utf-8")) if state.is_file() else None
    # By name alone: folders are moved, and the path in the file may be that of another machine.
    if named and _is_prefix(folder / Path(named[1]).name):
        return folder / Path(named[1]).name
    prefixes = [p.with_name(p.name.removesuffix(".index")) for p in folder.glob("*.index")]
    return prefixes[0] if len(prefixes) == 1 else None


def _is_prefix(path: Path) -> bool:
    return Path(f"{path}.index").is_file()


_KNOWN = (
    "a run folder, the prefix of a checkpoint, or a Hugging Face folder with config.json and "
    "model.safetensors"
)

"""Fills a model with weights from elsewhere, and says what came of it."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from electra_cli.config.choices import Network
from electra_cli.errors import DataError, listed
from electra_cli.interop import disentangled, huggingface, huggingface_folder
from electra_cli.interop.checkpoint import read_checkpoint
from electra_cli.interop.frozen import check_generator, generator_alone
from electra_cli.interop.reference import Arrays
from electra_cli.interop.sizes import check_sizes, sizes_of_arrays
from electra_cli.interop.source import CHECKPOINT, Source, find_source
from electra_cli.interop.values import (
    Report,
    Values,
    foreign_sharing,
    without_foreign_head,
    without_generator,
)
from electra_cli.modeling.architecture import Architecture, sizes_of
from electra_cli.modeling.electra import ElectraModel
from electra_cli.runs.run_folder import Checkpoint

_logger = logging.getLogger(__name__)


def values_of(model: ElectraModel) -> Arrays:
    """The weights of a model by the names of its variables."""
    return {v.name.split(":")[0]: v.numpy() for v in model.weights}


def load_checkpoint(checkpoint: Checkpoint) -> ElectraModel:
    """Builds the model of a run in float32, with a checkpoint's weights or their averages.

    It is a plain ELECTRA, whatever the run has to be another one for: see `Architecture.plain`.

    Raises:
      DataError: A weight is missing, or the files are damaged.
    """
    model = ElectraModel(Architecture.of(checkpoint.config()).plain)
    load_weights(model, find_source(checkpoint.prefix))
    return model


def load_weights(
    model: ElectraModel, source: Source, *, allow_missing: Collection[Network] = ()
) -> Report:
    """Loads all weights that a source has; nothing is changed if something does not fit.

    Args:
      model: The model to fill, but for a generator that learns nothing.
      source: What `find_source` found.
      allow_missing: Networks of which the encoder or the head may be absent.

    Returns:
      What was loaded, what is missing and what was not used.

    Raises:
      DataError: The source is damaged, has other sizes, or lacks what may not be missing.
    """
    variables = {v.name.split(":")[0]: v for v in model.trainable_variables}
    values = _read(model, source)
    is_apart = disentangled.is_apart(values.arrays)
    values = replace(values, arrays=disentangled.fitting(values.arrays, variables))
    sizes = sizes_of_arrays(values.arrays) | values.sizes
    check_sizes(sizes, sizes_of(model.architecture.learning), source.path, source.vocab)
    values = without_foreign_head(values, variables)
    if sharing := foreign_sharing(values, variables):
        if "generator" not in allow_missing:
            read = (
                "embeddings of its own" if sharing == "none" else "the discriminator's embeddings"
            )
            raise DataError(
                f"the generator of {source.path} reads {read}, and this model's does not",
                hint=f"--set generator.sharing={'disentangled' if is_apart else sharing}, or "
                "--init-allow-missing generator",
            )
        values = without_generator(values)
    report = Report(
        path=str(source.path),
        layout=values.layout,
        loaded=[name for name in variables if name in values.arrays],
        missing=[name for name in variables if name not in values.arrays],
        unused=values.unused + [name for name in values.arrays if name not in variables],
    )
    report.check_whole(allow_missing)
    _fill(variables, values.arrays, report)
    return report


def load_generator(model: ElectraModel, source: Source) -> Report:
    """Loads the generator of a source into a model whose generator learns nothing.

    Args:
      model: The model; its other networks stay as they are.
      source: What `interop.frozen.find_generator` found.

    Returns:
      What was loaded.

    Raises:
      DataError: The source is damaged, has other sizes, or not all of a generator.
    """
    if CHECKPOINT in source.files:
        values = read_checkpoint(source.files[CHECKPOINT])
        sizes = sizes_of_arrays(values.arrays) | values.sizes | source.sizes
        check_generator(sizes, model.architecture, source)
        values = replace(values, arrays=generator_alone(values.arrays))
    else:
        links = {"generator": huggingface.links_of(model.architecture)["generator"]}
        tensors = {"generator": huggingface_folder.read_tensors(source.files["generator"])}
        values = Values("Hugging Face", *huggingface.from_tensors(model, links, tensors))
    variables = {v.name.split(":")[0]: v for v in model.non_trainable_variables}
    if missing := [name for name in variables if name not in values.arrays]:
        raise DataError(
            f"{source.path} does not have all of a generator: {listed(missing)} missing",
            hint="name a source that has one that fills masks",
        )
    report = Report(str(source.path), values.layout, list(variables), [], [])
    _fill(variables, values.arrays, report)
    return report


def _fill(variables: Mapping[str, tf.Variable], arrays: Arrays, report: Report) -> None:
    """Assigns all that a report says is loaded, or nothing if something of it does not fit."""
    for name in report.loaded:
        there, here = arrays[name].shape, variables[name].shape
        if there != here:
            raise DataError(
                f"{report.path}: {name} is {list(there)}, the model needs {list(here)}",
                hint="the checkpoint is of another model, or damaged; name another one",
            )
        if not np.isfinite(arrays[name]).all():
            raise DataError(
                f"{report.path}: {name} has values that are no finite numbers",
                hint="its training diverged, or it is damaged; name an earlier checkpoint",
            )
    for name in report.loaded:
        variables[name].assign(arrays[name])


def _read(model: ElectraModel, source: Source) -> Values:
    if CHECKPOINT in source.files:
        return read_checkpoint(source.files[CHECKPOINT])
    files, links = dict(source.files), huggingface.links_of(model.architecture.learning.plain)
    if "discriminator" not in links:
        # The main network can take the encoder of a discriminator, which is of its size.
        links["discriminator"] = links["generator"]
        if "discriminator" in files:
            files.pop("generator", None)
    tensors = {
        part: huggingface_folder.read_tensors(folder)
        for part, folder in files.items()
        if part in links
    }
    if model.architecture.sharing == "all" and not huggingface.are_one_encoder(tensors):
        tensors.pop("generator", None)  # of another encoder than the discriminator's
    arrays, unused = huggingface.from_tensors(_plain(model), links, tensors)
    return Values("Hugging Face", arrays, unused)


def _plain(model: ElectraModel) -> ElectraModel:
    """A model with the names and shapes of a plain ELECTRA; its values are nobody's."""
    return ElectraModel(model.architecture.plain) if model.architecture.is_disentangled else model


def initialize(model: ElectraModel, init_checkpoint: str | None) -> Report | None:
    """Loads what `init_checkpoint` of a task names; None if it names nothing.

    A network or head that the source does not have begins fresh, which is logged as a warning.

    Raises:
      InputMissingError: There is nothing at the path.
      DataError: What is there cannot be loaded, or has no embeddings.
    """
    if not init_checkpoint:
        _logger.info("no init_checkpoint: all weights begin fresh")
        return None
    source = find_source(Path(init_checkpoint))
    source.check(model.architecture.learning)
    report = load_weights(model, source, allow_missing=("generator", "discriminator"))
    _logger.info("loaded %d variables from %s", len(report.loaded), report.path)
    if report.missing:
        _logger.warning(
            "%s (%s) does not have, and these begin fresh: %s; in all %d variables: %s",
            report.path,
            report.layout,
            ", ".join(report.missing_parts()),
            len(report.missing),
            ", ".join(report.missing),
        )
    if report.unused:
        _logger.warning("%s also has, and not used: %s", report.path, ", ".join(report.unused))
    return report

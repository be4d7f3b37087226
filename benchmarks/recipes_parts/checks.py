"""What can be known before the first run: whether every recipe, file and option will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from typer.main import get_command

from electra_cli.cli.app import app
from electra_cli.cli.options import load_task
from electra_cli.cli.usage import explain
from electra_cli.config.load import load_config, parse_set
from electra_cli.config.schema import Config
from electra_cli.finetuning.examples.glue import GLUE_TASKS
from electra_cli.finetuning.examples.readers import read_split
from electra_cli.finetuning.plan import choose_files, plan_finetune
from electra_cli.interop.frozen import check_generator
from electra_cli.interop.source import Source
from electra_cli.modeling.architecture import Architecture, sizes_of
from electra_cli.sources.exportable import Exportable
from electra_cli.training.plan.preflight import plan_run
from recipes_parts.book import Book, faults_of, finetune_options
from recipes_parts.prepared import Prepared
from recipes_parts.work import HELD_OUT

# Options of `electra finetune` with which it gives no score, or fails for another reason than a
# fault, or gives several.
_NOT_HERE = ("dry_run", "fail_under", "every", "steps", "predict", "predictions")
# Where a run would go, below OUTPUT: nothing is ever there.
_NOWHERE = "nowhere"


def check(
    book: Book, names: Sequence[str], data: Prepared, labelled: Path | None, device: str
) -> None:
    """Makes sure that no run fails for a reason that is known before all of them.

    Nothing is trained, and TensorFlow does not start. What only the prepared data tells is looked
    at as soon as it is there.

    Args:
      book: The recipes.
      names: Those that are to be trained.
      data: What they are trained on.
      labelled: The folder of labelled data; None for no fine-tuning.
      device: What `--device` is.

    Raises:
      ValueError, ElectraError: Something will not do; the message says what it is of.
    """
    _check_corpus(book, names, data)
    configs = []
    for name in names:
        with faults_of(f"recipe {name}"):
            configs.append(_trained(book, name, data, device))
    if labelled is None:
        return
    if not labelled.is_dir():
        raise ValueError(f"--labelled {labelled} is no folder")
    for task, text in book.downstream.items():
        with faults_of(f"downstream {task}"):
            if task in HELD_OUT:
                raise ValueError("a held-out figure is called so: choose another name")
            _check_task(finetune_options(text, labelled), configs, data, device)


def _check_corpus(book: Book, names: Sequence[str], data: Prepared) -> None:
    if not data.corpus.exists():
        raise ValueError(f"{data.corpus} does not exist: name a text or a prepared folder")
    if not data.is_given:
        return
    manifest = data.manifest(data.main)
    assert manifest is not None
    if manifest.packing != data.main:
        raise ValueError(
            f"{data.corpus} was prepared with --packing {manifest.packing}, and the held-out rows "
            f"of {book.reference} and all others are of packing {data.main}: name the text "
            f"instead, or write packing: {manifest.packing} into `data` of the recipes"
        )
    if others := [name for name in names if book.packing(name) != manifest.packing]:
        raise ValueError(
            f"{data.corpus} was prepared with --packing {manifest.packing}, and "
            f"{', '.join(others)} {'needs' if len(others) == 1 else 'need'} another: name the text "
            "instead, which is then prepared for all, or leave such recipes out with --only"
        )


def _trained(book: Book, name: str, data: Prepared, device: str) -> Config:
    """The configuration of a recipe's last run, after all that `electra pretrain` checks first."""
    found: list[Config] = []
    manifest = data.manifest(book.packing(name))
    length = book.data.sequence_length if manifest is None else manifest.sequence_length
    for first in (True, False)[book.recipes[name].first is None :]:
        settings = book.settings(name, 1000, first=first, weights=Path(_NOWHERE))
        settings["runtime.device"] = device
        if found:  # its weights are not there yet
            settings["generator.frozen"] = "null"
        loaded = load_config(
            preset=book.preset_of(name, first=first),
            environment={},
            overrides=[parse_set(f"{key}={value}") for key, value in settings.items()],
        )
        if loaded.config.data.sequence_length != length:
            raise ValueError(
                f"data.sequence_length is {loaded.config.data.sequence_length}, and the rows have "
                f"{length}: write data.sequence_length: {length} into `set`"
            )
        folder = None if manifest is None else manifest.folder
        found.append(plan_run(loaded, data=folder, model_dir=data.output / _NOWHERE).config)
    *before, config = found
    for one in before:
        source = Source(Path("first"), {}, sizes=sizes_of(Architecture.of(one)))
        check_generator(source.sizes, Architecture.of(config), source)
    return config


def _check_task(
    options: Sequence[str], configs: Sequence[Config], data: Prepared, device: str
) -> None:
    given = _parsed(["SOURCE", "--output", "OUTPUT", "--device", device, *options])
    if refused := [name for name in _NOT_HERE if given[name]]:
        raise ValueError(f"--{refused[0].replace('_', '-')} is not for a comparison: leave it out")
    config = load_task(given).config
    files = choose_files(config, data=given["data"], train=given["train"], dev=given["dev"] or [])
    manifest = data.manifest(data.main)
    if manifest is None:  # no tokenizer yet
        for name, path in files.items():
            read_split(path, config.task, name=name, skips_short_rows=config.preset in GLUE_TASKS)
        return
    smallest = min(configs, key=lambda config: config.model.max_position_embeddings)
    source = Exportable(
        path=Path("SOURCE"),
        config=smallest,
        special_ids=manifest.special_ids,
        tokenizer=manifest.tokenizer,
        vocab=manifest.folder / manifest.vocab.file,
        networks=smallest.objective.networks,
        load_model=_nothing,
    )
    plan_finetune(config, source, source=source.path, files=files, output=data.output / _NOWHERE)


def _parsed(words: Sequence[str]) -> Mapping[str, Any]:
    """The parameters of `electra finetune`, as its own command line reads them."""
    command: Any = get_command(app)
    try:
        with command.commands["finetune"].make_context("finetune", list(words)) as context:
            return dict(context.params)
    except Exception as error:
        if not hasattr(error, "format_message"):  # of Typer's own copy of click
            raise
        raise ValueError("; ".join(filter(None, explain(error)))) from None


def _nothing() -> NoReturn:
    raise AssertionError("nothing is trained here")

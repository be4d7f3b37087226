"""`prepare_data` with all of its options side by side, as the command line has them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from electra_cli.corpus.preparation.engines.schedule import Schedule
from electra_cli.corpus.preparation.options import PrepareOptions
from electra_cli.corpus.preparation.pipeline import prepare_data
from electra_cli.corpus.reading.cleaning import Cleaning
from electra_cli.corpus.wordpiece.vocabulary_training import VocabularyOptions


def prepare(inputs: Path | list[Path], output: Path, **options: Any) -> Any:
    """Prepares in this process; `vocab_size` and the like are options of the vocabulary."""
    told = {k: options.pop(k) for k in ("on_progress", "on_note", "on_warning") if k in options}
    casing = {k: options[k] for k in ("lowercase", "strip_accents") if k in options}
    names = {"vocab_size": "size", "vocab_sample": "sample", "vocab_kind": "kind"}
    trained = {new: options.pop(old) for old, new in names.items() if old in options}
    cleaning = {f.name: options.pop(f.name) for f in fields(Cleaning) if f.name in options}
    schedule = {f.name: options.pop(f.name) for f in fields(Schedule) if f.name in options}
    one_worker = {"workers": 1} if schedule.get("engine", "local") == "local" else {}
    return prepare_data(
        inputs=inputs if isinstance(inputs, list) else [inputs],
        output=output,
        options=PrepareOptions(
            vocabulary=VocabularyOptions(**trained, **casing),
            cleaning=Cleaning(**cleaning),
            **options,
        ),
        schedule=Schedule(**(one_worker | schedule)),
        **told,
    )

"""Folders of fine-tuned models for tests: small, never trained, and every weight random."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from electra_cli.config.finetune import FinetuneConfig, HeadStyle, Kind
from electra_cli.corpus.subword.open import content_sha256
from electra_cli.corpus.wordpiece.identity import TokenizerOptions, tokenizer_sha256
from electra_cli.finetuning.folder import FinetuneFolder
from electra_cli.finetuning.result import SeedResult
from electra_cli.sources.finetuned import GivenFile, Inputs
from tests.export.runs import small_config, small_tokenizer

KINDS: tuple[Kind, ...] = ("classification", "regression", "tagging", "qa")
LABELS: Mapping[Kind, tuple[str, ...]] = {
    "classification": ("no", "yes", "später | vielleicht"),
    "regression": ("1.0", "4.5"),
    "tagging": ("B-NP", "I-NP", "O", "B-VP"),
    "qa": (),
}
METRIC: Mapping[Kind, str] = {
    "classification": "accuracy",
    "regression": "spearman",
    "tagging": "span_f1",
    "qa": "f1",
}
COLUMN, STEP, LENGTH = "model", 9, 16
SCORES = (0.75, 0.5)  # of the seeds: the first is the best


def write_finetuned(
    folder: Path,
    kind: Kind = "classification",
    *,
    head: HeadStyle = "huggingface",
    text: str = "text",
    objective: str = "electra",
    lowercase: bool = True,
    task: Mapping[str, Any] | None = None,
    given: Path | None = None,
) -> Path:
    """Writes what `electra finetune` leaves of two seeds, and returns the folder.

    Args:
      folder: To be made.
      kind: Of the task.
      head: Whose head.
      text: Columns of the texts.
      objective: What the encoder was pretrained by.
      lowercase: Whether its tokenizer lower-cases.
      task: More keys of the section.
      given: The tokenizer.json of another tokenizer than WordPiece.
    """
    import tensorflow as tf

    from electra_cli.modeling.architecture import Architecture, sizes_of
    from electra_cli.modeling.heads.sizes import HeadSizes
    from electra_cli.modeling.task_model import TaskModel
    from electra_cli.training.checkpoints.keeping import Keep
    from electra_cli.training.checkpoints.saver import CheckpointSaver

    options = None if given else TokenizerOptions(lowercase=lowercase, strip_accents=True)
    tokenizer = small_tokenizer(options, given)
    sizes = small_config(24, len(tokenizer.tokens)).replaced({"objective.name": objective})
    section = {"kind": kind, "head": head, "text": text, "max_length": LENGTH}
    section |= {"max_query_length": LENGTH // 4, "n_best": 3} | dict(task or {})
    config = FinetuneConfig.model_validate(
        {
            "preset": f"{kind}.yaml",
            "task": section,
            "optimizer": {"learning_rate": 3e-4, "decay_factor": 0.8},
            "train": {"seeds": len(SCORES)},
        }
    )
    vocab = content_sha256(tokenizer)
    given = {
        name: GivenFile(path=f"somewhere/{name}.tsv", bytes=1, sha256="0" * 64)
        for name in ("train", "dev")
    }
    inputs = Inputs(
        source="runs/mine",
        source_sha256={COLUMN: "0" * 64},
        files=given,
        labels=LABELS[kind],
        tokenizer=options,
        vocab_sha256=vocab,
        special_ids=tokenizer.special,
    )
    finetuned = FinetuneFolder(folder)
    folder.mkdir(parents=True)
    finetuned.begin(config, sizes, inputs, tokenizer)
    architecture = Architecture.of(sizes)
    identity = {
        "config_sha256": "0" * 64,
        "vocab_sha256": vocab,
        "tokenizer_sha256": tokenizer_sha256(vocab, options),
        "sizes": sizes_of(architecture),
    }
    for seed, score in enumerate(SCORES):
        run = finetuned.run(COLUMN, seed)
        run.path.mkdir(parents=True)
        model = TaskModel(architecture, HeadSizes.of(config.task, LABELS[kind]), seed=seed)
        generator = np.random.default_rng(seed)
        for variable in model.trainable_variables:
            # Biases and LayerNorm too, so that no wrong place can hide behind a zero or a one.
            variable.assign(variable + 0.3 * generator.standard_normal(variable.shape))
        checkpoint = tf.train.Checkpoint(model=model)
        saver = CheckpointSaver(checkpoint, run, identity, Keep(newest=1), needed_bytes=0)
        saver.prepare()
        saver.save(STEP)
        threshold = -2.5 if kind == "qa" else None
        result = SeedResult(
            column=COLUMN,
            label="mine",
            role="model",
            pretraining_steps=None,
            seed=seed,
            steps=STEP,
            loss=0.5,
            metrics={METRIC[kind]: score, "other": None},
            threshold=threshold,
            state_sha256="0" * 64,
            sequences_per_second=1.0,
            pretraining_flops=1.5e15,
        )
        finetuned.write_result(run.result, result.as_json())
    column = {
        "column": COLUMN,
        "median": float(np.median(SCORES)),
        "mean": float(np.mean(SCORES)),
        "standard_deviation": float(np.std(SCORES, ddof=1)),
        "runs": [{"seed": seed} for seed in range(len(SCORES))],
    }
    best = {"column": COLUMN, "seed": int(np.argmax(SCORES))}
    record = {"metric": METRIC[kind], "columns": [column], "best": best}
    finetuned.result.write_text(json.dumps(record), encoding="utf-8")
    return folder

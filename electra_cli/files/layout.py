"""Where the files of prepared folders and of runs lie: the one place that knows their names.

DATA/manifest.json       what is prepared; written last
DATA/plan.json           how it is cut into slices
DATA/vocab.txt           the vocabulary; tokenizer.json of other tokenizers than our own
DATA/slices/             a record for each finished slice, beside its shards
DATA/duplicates/         what was found of duplicates
DATA/words/              how often words come, until the vocabulary is trained
DATA/standard-input      a copy of what was piped in, until all of it is prepared
DATA/upload.json         at a URL: the files that are there already, until all of them are

CACHE/data-SHA256        a copy of prepared data at a URL, called after the hash of its manifest;
                         source.json there names the URL

RUN/config.yaml          the complete configuration; with it a folder is a run folder
RUN/bindings.gin         gin bindings, if any were given
RUN/init.json            what `--init-from` loaded, if it was given
RUN/frozen.json          which weights `generator.frozen` named when the run began
RUN/branch.json          what `--from` named and is decayed, if it was given
RUN/data/                manifest.json and vocab.txt or tokenizer.json of the prepared data, and
                         source.json if it was copied from a URL
RUN/lock.json            who writes to the run, or wrote to it last
RUN/.cluster-token-PLACE by what several workers know each other, who meet at the place HOST-PORT
RUN/changes.jsonl        changes of the configuration, and the step from which on they hold
RUN/checkpoints/ckpt-N   a checkpoint, N the step: `state` for TensorFlow, and commit.json
RUN/metrics.jsonl        a line for each logged step and evaluation, for what begins or ends to be
                         wrong with the run, and for each process that begins or ends
RUN/tensorboard/         the same for TensorBoard
RUN/tracking/            which run of each other tracker goes on, and what it keeps here
RUN/mirror.json          by what its mirror knows the run; in the mirror itself also who writes to
                         it, and what is whole there
RUN/held-out.json        ten held-out rows with the verdicts of the newest evaluation
RUN/result.json          what `electra pretrain --json` printed, once the run is finished
RUN/report.html          what `electra report` says of the run

FINETUNED/finetune.yaml        the complete configuration; with it a folder is a fine-tuned one
FINETUNED/model.yaml           the sizes of the encoder
FINETUNED/inputs.json          what was given: source, files, labels, tokenizer
FINETUNED/vocab.txt            the vocabulary; tokenizer.json of other tokenizers than our own
FINETUNED/lock.json            who writes to it, or wrote to it last
FINETUNED/COLUMN/seed-N        one run: checkpoints, metrics and result as in RUN; a column is
                               step-N of a run, model for weights of other projects, probe-step-N
                               or probe-model with the encoder frozen, or random
FINETUNED/result.json          what `electra finetune --json` printed, once all runs are finished
FINETUNED/curve.svg            scores over steps of the pretraining; curve.png is the same picture
FINETUNED/predictions-NAME-COLUMN-seed-N.ENDING  what the best run says of the file NAME

An older electra wrote a checkpoint as files side by side: ckpt-N.index, ckpt-N.data-….
"""

from __future__ import annotations

import re
from pathlib import Path

MANIFEST_FILE = "manifest.json"
PLAN_FILE = "plan.json"
VOCABULARY_FILE = "vocab.txt"
RECORDS_FOLDER = "slices"
DUPLICATES_FOLDER = "duplicates"
WORDS_FOLDER = "words"
STANDARD_INPUT_FILE = "standard-input"
LOCK_FILE = ".lock.json"
SOURCE_FILE = "source.json"
UPLOAD_FILE = "upload.json"

CONFIG_FILE = "config.yaml"
BINDINGS_FILE = "bindings.gin"
INIT_FILE = "init.json"
FROZEN_FILE = "frozen.json"
BRANCH_FILE = "branch.json"
DATA_FOLDER = "data"
RUN_LOCK_FILE = "lock.json"
CLUSTER_TOKEN_PATTERN = ".cluster-token-*"
CHANGES_FILE = "changes.jsonl"
CHECKPOINTS_FOLDER = "checkpoints"
METRICS_FILE = "metrics.jsonl"
TENSORBOARD_FOLDER = "tensorboard"
TRACKING_FOLDER = "tracking"
MIRROR_FILE = "mirror.json"
HELD_OUT_FILE = "held-out.json"
RESULT_FILE = "result.json"
REPORT_FILE = "report.html"

FINETUNE_FILE = "finetune.yaml"
MODEL_FILE = "model.yaml"
INPUTS_FILE = "inputs.json"

STATE = "state"
COMMIT_FILE, EVALUATION_FILE = "commit.json", "evaluation.json"
CHECKPOINT_PATTERN = "ckpt-*"
HIDDEN_CHECKPOINT_PATTERN = ".ckpt-*"  # one that is being written or deleted
DAMAGED_SUFFIX = ".damaged"
_CHECKPOINT = re.compile(r"ckpt-(\d+)")
_FILE_OF_PREFIX = re.compile(r"\.(index|data-\d+-of-\d+)$")


def slice_name(index: int, number: int | None = None) -> str:
    """What the files of a slice, or of a slice of the stream that it is, are called after."""
    return f"{index:05d}" if number is None else f"{index:05d}-{number:05d}"


def record_path(output: Path, index: int, number: int | None = None) -> Path:
    """Where a slice's record is; it is written after the slice's shards."""
    return output / RECORDS_FOLDER / f"{slice_name(index, number)}.json"


def cached_data_name(manifest_sha256: str) -> str:
    """The name of the copy of prepared data in the user's cache."""
    return f"data-{manifest_sha256[:32]}"


def cluster_token_name(host: str, port: int) -> str:
    """The name of the token of the workers that meet at a place; more than one may use a run."""
    place = re.sub(r"[^a-z0-9.-]", "_", host.lower().removesuffix("."))
    return CLUSTER_TOKEN_PATTERN.replace("*", f"{place[-200:]}-{port}")


def checkpoint_name(step: int | str) -> str:
    """The name of the checkpoint of a step, in RUN/checkpoints."""
    return f"ckpt-{step}"


def step_of(name: str) -> int | None:
    """The step of a checkpoint's name; None for any other name."""
    match = _CHECKPOINT.fullmatch(name)
    return int(match[1]) if match else None


def prefix_of(path: Path) -> Path:
    """What TensorFlow calls a checkpoint of which a path names a file; else the path itself."""
    return Path(_FILE_OF_PREFIX.sub("", str(path)))


def is_prefix(path: Path) -> bool:
    """Whether it is what TensorFlow calls a checkpoint: the part of a name before .index."""
    return Path(f"{path}.index").is_file()

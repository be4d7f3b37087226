"""Wrong command lines: every one says what was wrong with it, and what to type instead."""

from __future__ import annotations

import pytest

from tests.conftest import Electra

EXPORT = "export RUN --output OUT --format"


@pytest.mark.parametrize(
    ("command", "message", "hint"),
    [
        (f"{EXPORT} hugginface", "--format: there is no 'hugginface'", "--format huggingface?"),
        (f"{EXPORT}=onyx", "--format: there is no 'onyx'", "did you mean --format onnx?"),
        (f"{EXPORT} xyzzy", "--format: there is no 'xyzzy'", "onnx, reference"),
        ("debug data D --masking whole_word", "there is no 'whole_word'", "--masking whole-word?"),
        ("prepare-data T --output D --packing ful", "there is no 'ful'", "--packing full?"),
        ("export RUN --fromat onnx --output O", "No such option: --fromat", "mean --format?"),
        ("pretrain --batch_size 4", "No such option: --batch_size", "did you mean --batch-size?"),
        ("pretrain --lr 4", "No such option: --lr", "did you mean --learning-rate?"),
        ("pretrain --warmup-steps 4", "--warmup-steps", "--set optimizer.warmup_steps=VALUE?"),
        ("pretrain --xyzzy 4", "No such option: --xyzzy", "see `electra pretrain --help`"),
        ("pretran", "No such command 'pretran'", "did you mean electra pretrain?"),
        ("debug dta D", "No such command 'dta'", "did you mean electra debug data?"),
        ("help", "No such command 'help'", "see `electra --help`"),
        (
            "init",
            "No such command 'init'",
            "did you mean electra config init? see `electra --help`",
        ),
        ("shw", "No such command 'shw'", "did you mean electra config show?"),
        ("config evaluate R", "No such command 'evaluate'", "did you mean electra evaluate?"),
        ("config data", "No such command 'data'", "did you mean electra debug data?"),
        ("xyzzy", "No such command 'xyzzy'", "; see `electra --help`"),
        ("debug D", "No such command 'D'", "electra debug NAME: choose one of data, task"),
        ("xyzzy", "No such command 'xyzzy'", "electra NAME: choose one of prepare-data,"),
        ("pretrain --steps 1e6", '--steps: expected a valid integer, got "1e6"', "--steps 1000000"),
        ("pretrain --steps ten", '--steps: expected a valid integer, got "ten"', "--help"),
        ("pretrain --steps 2.5", '--steps: expected a valid integer, got "2.5"', "--steps 2"),
        (
            "pretrain --learning-rate 1,5",
            'expected a valid number, got "1,5"',
            "--learning-rate 1.5",
        ),
        ("pretrain --learning-rate fast", "--learning-rate: expected a valid number", "--help"),
        ("debug data D --examples -1", "at least 0, got", "write --examples 0"),
        ("pretrain --preset", "'--preset' requires an argument", "write --preset VALUE"),
        ("pretrain --json=yes", "'--json' does not take a value", "write --json"),
        ("pretrain tiny", "unexpected extra argument(s) (tiny)", "see `electra pretrain --help`"),
        ("evaluate", "missing: CHECKPOINT...", "`electra evaluate CHECKPOINT...`"),
        ("export RUN --format onnx", "missing: --output", "`electra export CHECKPOINT --format"),
        ("pretrain", "neither --preset nor --config", "add --preset tiny; presets: tiny, small"),
        ("pretrain --preset smol", "unknown preset smol", "did you mean --preset small?"),
        ("pretrain --preset tiny --device cuda", "unknown device 'cuda'", "mean --device gpu?"),
        ("pretrain --preset tiny --device cuda:1", "'cuda:1'", "did you mean --device gpu:1?"),
        ("pretrain --preset tiny --device gpus", "'gpus'", "did you mean --device gpu?"),
        ("pretrain --preset tiny --precision fp16", "got the text", "write --precision float16"),
        ("pretrain --preset tiny --set train.best_metric=disc_acu", "", "=disc_auc?"),
        ("evaluate RUN --fail-under disc_acu=0.5", "'disc_acu'", "--fail-under disc_auc="),
        ("pretrain --data=", "--data: expected a value, got an empty text", "pretrain --help"),
        ("pretrain --gin-file a --gin-file=", "--gin-file: expected a value", "pretrain --help"),
        (
            "pretrain --branch-decay 3 --from s3://b/r --model-dir M",
            "s3://b/r (from) is a URL",
            "mount it, or copy it",
        ),
        ("evaluate RUN --device cuda", "unknown device 'cuda'", "did you mean --device gpu?"),
    ],
)
def test_what_is_wrong_and_what_to_type(
    electra: Electra, command: str, message: str, hint: str
) -> None:
    words = command.split()
    first = next((at for at, word in enumerate(words) if word.startswith("-")), len(words))
    result = electra(*words[:first], "--json", *words[first:])
    result.failed(2)
    error = result.json["error"]
    assert message in error["message"]
    assert hint in error["hint"]


def test_an_empty_argument_is_not_this_folder(electra: Electra) -> None:
    result = electra("prepare-data", "texts", "", "--output", "data", "--json")
    result.failed(2)
    assert result.json["error"]["message"] == "INPUT...: expected a value, got an empty text"

"""What a shell is offered; it is asked at every press of a key, so nothing heavy may be loaded."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from electra_cli.cli import completion, options
from electra_cli.config.schema import leaf_fields
from electra_cli.training.devices.strategy import parse_device
from tests.cli.test_app import CHECK
from tests.docs.pages import DOCS

FILES = (
    "mine.yaml",
    "data/manifest.json",
    "runs/mine/config.yaml",
    "runs/mine/checkpoints/ckpt-100/commit.json",
    "runs/older/config.yaml",
    "runs/older/checkpoints/ckpt-1000.index",
    "runs/older/checkpoints/ckpt-1000.data-00000-of-00001",
    "runs/older/checkpoints/ckpt-200.index",
    "runs/older/checkpoints/checkpoint",
    "tasks/cola/finetune.yaml",
    "a/b/c/config.yaml",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs, prepared data and what was fine-tuned, as far as names go."""
    folder = tmp_path_factory.mktemp("shell")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


@pytest.mark.parametrize(
    ("complete", "begin", "offered"),
    [
        (completion.runs, "", ["runs/mine", "runs/older"]),
        (completion.runs, "runs/o", ["runs/older"]),
        (completion.runs, "./ru", ["./runs/mine", "./runs/older"]),
        (completion.runs, "a/", ["a/b/c"]),
        (completion.runs, "nowhere/", []),
        (completion.runs, "[", []),
        (completion.runs, "~nobody-at-all/", []),
        (completion.prepared, "", ["data"]),
        (completion.checkpoints, "", ["runs/mine", "runs/older", "tasks/cola"]),
        (completion.checkpoints, "runs/mine", ["runs/mine"]),
        (completion.checkpoints, "runs/mine/", ["runs/mine/checkpoints/ckpt-100"]),
        (completion.checkpoints, "runs/older/checkpoints/ckpt-", [
            "runs/older/checkpoints/ckpt-200", "runs/older/checkpoints/ckpt-1000"]),
        (completion.checkpoints, "runs/older/checkpoints/ckpt-1", [
            "runs/older/checkpoints/ckpt-1000"]),
        (completion.checkpoints, "tasks/cola/", []),
        (completion.configurations, "t", ["tiny", "tagging", "tasks/cola"]),
    ],
)  # fmt: skip
def test_folders(
    monkeypatch: pytest.MonkeyPatch, folders: Path,
    complete: options.Complete, begin: str, offered: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(folders)
    assert complete(begin) == offered


def test_folders_of_the_home_and_of_the_root(
    monkeypatch: pytest.MonkeyPatch, folders: Path
) -> None:
    monkeypatch.setenv("HOME", str(folders))
    assert completion.runs("~/runs/m") == ["~/runs/mine"]
    assert completion.runs(f"{folders}/runs/m") == [f"{folders}/runs/mine"]


@pytest.mark.parametrize(
    ("complete", "begin", "offered"),
    [
        (options.presets, "", ["base", "large", "small", "small-plus-plus", "tiny"]),
        (options.presets, "sm", ["small", "small-plus-plus"]),
        (options.presets, "nothing", []),
        (options.devices, "gpu", ["gpu", "gpu:0", "gpu:0,1"]),
        (options.precisions, "b", ["bfloat16"]),
        (options.networks, "", ["generator", "discriminator"]),
        (options.keys, "train.st", ["train.steps"]),
        (options.settings, "train.st", ["train.steps="]),
        (
            options.settings,
            "objective.masking=",
            [f"objective.masking={w}" for w in ("", "token", "span", "whole-word")],
        ),
        (options.settings, "runtime.xla=", [f"runtime.xla={w}" for w in ("", "true", "false")]),
        (options.limits, "disc_auc", ["disc_auc=", "disc_auc_reference="]),
    ],
)  # fmt: skip
def test_values(complete: options.Complete, begin: str, offered: list[str]) -> None:
    assert sorted(complete(begin)) == sorted(offered)


def test_all_keys_and_devices_are_ones_that_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"index": 0}}')
    assert options.keys("") == list(leaf_fields())
    for device in options.devices(""):
        assert parse_device(device).text == device


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("electra pretrain --preset t", "tiny"),
        ("electra export run --format saved", "saved-model"),
        ("electra evaluate run --fail-under masked_lm_l", "masked_lm_loss="),
        ("electra debug d", "data"),
        ("electra pretrain --stop-on discriminator-c", "discriminator-constant"),
        ("electra config show col", "cola"),
        ("electra evaluate runs/mine/", "runs/mine/checkpoints/ckpt-100"),
    ],
)
def test_the_shell_is_answered_without_tensorflow(
    monkeypatch: pytest.MonkeyPatch, folders: Path, line: str, offered: str
) -> None:
    """Bash asks through variables, and reads a value a line."""
    monkeypatch.chdir(folders)
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(line.split()) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        env=os.environ | asked | {"_ELECTRA_COMPLETE": "complete_bash"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.split()) == (0, [offered]), done.stderr
    assert "HEAVY []" in done.stderr


@pytest.mark.slow
def test_the_tabulator_in_a_real_bash(folders: Path, tmp_path: Path) -> None:
    """What is typed becomes the line that its history has."""
    typed = {
        "electra pret": "electra pretrain ",
        "electra pretrain --preset ti": "electra pretrain --preset tiny ",
        "electra config show runs/m": "electra config show runs/mine ",
        "electra evaluate runs/mine/": "electra evaluate runs/mine/checkpoints/ckpt-100 ",
        "electra pretrain --set objective.masking=sp":
            "electra pretrain --set objective.masking=span ",
        "electra pretrain --config mi": "electra pretrain --config mine.yaml ",
    }  # fmt: skip
    guide = (DOCS / "guide" / "completion.md").read_text("utf-8")
    lines = guide.partition("```bash\n")[2].partition("```")[0]
    setup, history = tmp_path / "rc", tmp_path / "history"
    setup.write_text(f"HISTFILE={history}\nPS1=\nset +o histexpand\n{lines}")
    scripts = Path(sys.executable).parent
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        ["bash", "--noprofile", "--rcfile", setup, "-i"],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=folders, start_new_session=True,
        env=os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}", "TERM": "dumb"},
    ) as bash:  # fmt: skip
        os.close(theirs)
        # The tabulator, then Control-A and a comment sign, so that the line does nothing.
        for line in typed:
            os.write(ours, f"{line}\t\x01#\n".encode())
        os.write(ours, b"exit\n")
        with suppress(OSError):  # the end of a terminal
            while os.read(ours, 4096):
                pass
        assert bash.wait() == 0
    os.close(ours)
    assert history.read_text().splitlines()[: len(typed)] == [f"#{line}" for line in typed.values()]

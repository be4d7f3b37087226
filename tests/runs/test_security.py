"""Files that nobody vouches for stay data, secrets stay where they are, no network is needed."""

from __future__ import annotations

import json
import os
import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from electra_cli.runs.commit import read_commit
from tests.chaos.victims import Ended, Victims
from tests.conftest import Electra
from tests.training.runs import copied, metric_lines, options, steps_of


class Canary:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """Is there if something was executed."""
    return tmp_path / "canary"


TAGS = [
    "train: !!python/object/apply:os.system ['touch {}']",
    "train: {{steps: !!python/name:os.system }}",
    "!!python/object/new:subprocess.Popen [['touch', '{}']]",
    "train: &a [!!python/module:antigravity ]",
]


@pytest.mark.parametrize("text", TAGS)
def test_yaml_tags(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, canary: Path, text: str
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(text.format(canary) + "\n")
    run = copied(trained, tmp_path / "run")
    (run / "config.yaml").write_text(text.format(canary) + "\n")
    for command in (
        options(data, tmp_path / "new", "--config", mine),
        options(data, run),
        ["evaluate", run, "--json"],
        ["export", run, "--format", "huggingface", "--output", tmp_path / "out", "--json"],
    ):
        result = electra(*command)
        assert result.code in (2, 65), (command, result.stderr)
        assert "Traceback" not in result.stderr
    assert not canary.exists()


@pytest.fixture
def keras_files(tmp_path: Path, canary: Path) -> list[Path]:
    """A model whose layer runs a command when Keras loads it, in both of its formats."""
    import tf_keras

    command = f"touch {canary}"
    layers = tf_keras.layers
    armed = layers.Lambda(lambda x: (x, __import__("os").system(command))[0])
    model = tf_keras.Sequential([layers.Input((1,)), armed])
    folder = tmp_path / "keras"
    folder.mkdir()
    paths = [folder / "model.keras", folder / "model.h5"]
    for path in paths:
        model.save(path)
        canary.unlink()
        tf_keras.models.load_model(path, safe_mode=False)
        assert canary.exists()  # it is one that works
    canary.unlink()
    return paths


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file")
def test_pickles_and_keras_files_in_every_place(
    electra: Electra, data: Path, trained: Path, tmp_path: Path, canary: Path,
    keras_files: list[Path],
) -> None:  # fmt: skip
    """A .npy file of objects is a pickle; so are the weights of other projects."""
    payload = pickle.dumps(Canary(canary))
    run = copied(trained, tmp_path / "run", newest=8)
    ours = tmp_path / "data"
    shutil.copytree(data, ours)
    for path in ours.rglob("*.npy"):
        size = path.stat().st_size
        np.save(path, np.array([Canary(canary)], dtype=object), allow_pickle=True)
        path.write_bytes(path.read_bytes().ljust(size, b"\0"))
    # Even where the sizes agree and nothing else is looked at.
    command = options(ours, run, "--set", "runtime.verify_data=size")
    electra(*command).failed(65, "train", "is no .npy file", "Python objects")
    electra(*options(ours, run)).failed(65, "manifest")
    for name in ("state.index", "commit.json"):
        (run / "checkpoints" / "ckpt-8" / name).write_bytes(payload)
    for folder in (run, run / "checkpoints"):
        for name in ("saved_model.pb", "pytorch_model.bin", "ckpt-99.pkl"):
            (folder / name).write_bytes(payload)
        for path in keras_files:
            shutil.copy(path, folder)
    result = electra("evaluate", run / "checkpoints" / "ckpt-8", "--json")
    result.failed(65, "ckpt-8")
    export = ["--format", "huggingface", "--output", tmp_path / "out", "--json"]
    for path in (*keras_files, keras_files[0].parent):
        electra(*options(data, tmp_path / "new", "--init-from", path)).failed(65, str(path))
        electra("evaluate", path, "--json").failed(65, str(path))
        electra("export", path, *export).failed(65, str(path))
    electra(*options(data, run, "--stop-at-step", 5))
    assert steps_of(run)[-1] == 5  # and none of those files were in the way
    assert not canary.exists()


def test_gin_runs_only_what_the_command_line_names(
    electra: Electra, data: Path, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run", newest=8)
    (run / "bindings.gin").write_text("import no_such_module_that_would_fail\n")
    electra(*options(data, run)).failed(2, "other gin bindings")  # compared as text
    result = electra("evaluate", run, "--device", "cpu", "--json")
    assert result.code == 0, result.stderr


@pytest.mark.slow
def test_a_record_cannot_point_out_of_its_folder(
    electra: Electra, data: Path, trained: Path, tmp_path: Path
) -> None:
    run = copied(trained, tmp_path / "run", newest=8)
    folder = run / "checkpoints" / "ckpt-8"
    commit = read_commit(folder)
    first, *_ = commit.files
    files = {f"../ckpt-4/{first}": commit.files[first]}
    other = commit.model_copy(update={"files": files})
    other = other.model_copy(update={"checksum": other.own_checksum()})
    (folder / "commit.json").write_text(other.model_dump_json())
    (folder / first).unlink()
    result = electra(*options(data, run, "--stop-at-step", 5))
    assert "ckpt-8 is damaged" in result.stderr


def test_control_characters_are_shown(electra: Electra, tmp_path: Path) -> None:
    """A name can hold what a terminal would obey, and what looks like another line of JSON."""
    name = 'a\x1b[2Jb\x07c\r{"x": 1}\x9bd\u2028e\u202ef\nwarning: g'
    for more in ([], ["--debug"]):  # with the traceback, which repeats the message
        result = electra("pretrain", "--preset", "tiny", "--data", tmp_path / name, "--json", *more)
        assert result.code == 66
        assert len(result.stdout.splitlines()) == 1
        for text in (*"\x1b\x07\r\x9b\u2028\u202e", "\nwarning: g"):
            assert text not in result.stderr
            assert text not in result.stdout
        assert r"a\x1b[2Jb\x07c\r" in result.stderr
        assert r"\x9bd\u2028e\u202ef" in result.stderr
        assert "\n  warning: g" in result.stderr
        assert json.loads(result.stdout)["error"]["message"].count(name) == 1
        assert ("Traceback" in result.stderr) == bool(more)


SECRETS = [f"canary{number}SECRET{number * 7919}" for number in range(10)]
IN_THE_ENVIRONMENT = {
    "HF_TOKEN": SECRETS[0],
    "WANDB_API_KEY": SECRETS[1],
    "AWS_SECRET_ACCESS_KEY": SECRETS[2],
    "HTTPS_PROXY": f"https://user:{SECRETS[3]}@proxy.invalid",
    "DATABASE_URL": f"postgres://me:{SECRETS[4]}@host.invalid",
}
SIGNED = f"ftp://host.invalid/data?sig={SECRETS[5]}"
WITH_PASSWORD = f"https://user:{SECRETS[6]}@host.invalid/model"


@dataclass(frozen=True)
class Told:
    """What commands said and wrote without a network, and with secrets in every place.

    Attributes:
      work: The folder of all that they wrote.
      commands: Those that end well, by name.
      again: The first of them once more.
      failed: Commands that have to fail.
    """

    work: Path
    commands: dict[str, Ended]
    again: Ended
    failed: list[Ended]


@pytest.fixture(scope="module")
def told(corpus: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Told:
    """Each command in a process of its own, children of one that has no network."""
    work = tmp_path_factory.mktemp("told")
    run, signed = work / "run", work / f"data?sig={SECRETS[7]}"
    shutil.copytree(data, signed)
    (work / "path.yaml").write_text(f"data:\n  path: ftp://user:{SECRETS[8]}@host.invalid/d\n")
    (work / "key.yaml").write_text(f"hub:\n  api_token: {SECRETS[9]}\n")
    gin = ["--gin-param", f"hub_password = '{SECRETS[9]}'"]
    new = ["pretrain", "--preset", "tiny", "--model-dir", work / "new", "--debug", "--json"]
    export = ["--format", "huggingface", "--output", work / "out", "--json", "--debug"]
    prepare = ["--output", work / "prepared", "--vocab-size", 600, "--workers", 1, "--json"]
    wrong = [
        [*new, "--data", SIGNED],
        [*new, "--data", data, "--init-from", WITH_PASSWORD],
        [*new, "--config", work / "path.yaml"],
        [*new, "--config", work / "key.yaml"],
        [*new, "--set", f"hub.token={SECRETS[9]}"],
        [*new, "--preset", WITH_PASSWORD],
        [*new, "--data", data, "--device", SECRETS[0]],
        ["evaluate", WITH_PASSWORD, "--json", "--debug"],
        ["evaluate", run, "--data", SIGNED, "--json", "--debug"],
        ["export", WITH_PASSWORD, *export],
        ["prepare-data", SIGNED, *prepare],
    ]
    offline = ["unshare", "--net"] + ([] if os.geteuid() == 0 else ["--map-root-user"])
    environment = os.environ | IN_THE_ENVIRONMENT
    streams = tmp_path_factory.mktemp("streams")
    with Victims(streams, prefix=offline, environment=environment) as victims:
        train = [*options(signed, run), "--debug", *gin]
        return Told(
            work,
            {
                "pretrain": victims.finished(train),
                "evaluate": victims.finished(["evaluate", run, "--data", signed, "--json"]),
                "export": victims.finished(["export", run, *export]),
                "prepare-data": victims.finished(["prepare-data", corpus, *prepare]),
            },
            victims.finished(train),
            [victims.run(command) for command in wrong],
        )


@pytest.mark.slow
def test_all_commands_without_a_network(told: Told, trained: Path) -> None:
    """Each in a process of its own; what is hidden in a run folder is no obstacle to go on."""
    assert told.again.stdout == told.commands["pretrain"].stdout
    expected = read_commit(trained / "checkpoints" / "ckpt-12").state_sha256
    assert json.loads(told.commands["pretrain"].stdout)["state_sha256"] == expected
    assert metric_lines(told.work / "run", "train") == metric_lines(trained, "train")
    for name, ended in told.commands.items():
        assert json.loads(ended.stdout)["command"] == name


@pytest.mark.slow
def test_secrets_are_written_nowhere(told: Told) -> None:
    """In the environment, the command line, a configuration, URLs: shown and written as ***."""
    given = {"path.yaml", "key.yaml"}
    written = {
        str(path): path.read_bytes()
        for path in told.work.rglob("*")
        if path.is_file() and path.name not in given
    }
    assert "/data?sig=***" in (told.work / "run" / "config.yaml").read_text()
    assert "hub_password = '***'" in (told.work / "run" / "bindings.gin").read_text()
    everything = [*told.commands.values(), told.again, *told.failed]
    written |= {f"stdout {number}": end.stdout.encode() for number, end in enumerate(everything)}
    written |= {f"stderr {number}": end.stderr.encode() for number, end in enumerate(everything)}
    for secret in SECRETS:
        assert [name for name, text in written.items() if secret.encode() in text] == []
    for ended in told.failed:
        assert ended.code in (2, 65, 66), ended.stderr
        assert json.loads(ended.stdout)["error"]["exit_code"] == ended.code
    assert sum("***" in ended.stderr for ended in told.failed) >= 7

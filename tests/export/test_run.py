"""An export is there complete, or not at all."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import tensorflow as tf

from electra_cli.errors import (
    ConfigError,
    DataError,
    InputMissingError,
    OutputError,
    TrainingError,
)
from electra_cli.export.checks.parity import Parity, compare
from electra_cli.export.formats import huggingface
from electra_cli.export.run import FORMATS, export
from electra_cli.interop import huggingface as layout
from electra_cli.interop.huggingface import Link
from electra_cli.modeling.architecture import Architecture


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "exports" / "out"


def raising(error: BaseException) -> Callable[..., NoReturn]:
    def fail(*arguments: Any, **options: Any) -> NoReturn:
        raise error

    return fail


def assert_nothing_left(output: Path) -> None:
    assert list(output.parent.iterdir()) == []


@pytest.mark.parametrize("format", FORMATS)
def test_the_newest_checkpoint_of_a_run(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    stages: list[str] = []
    seen: list[tuple[object, str]] = []
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda *devices: seen.append(devices))
    exported = export(checkpoint=one_run, format=format, output=output, on_progress=stages.append)
    assert seen == [([], "GPU")]  # which somebody may use, and where numbers are rounded otherwise
    assert exported.checkpoint == one_run / "checkpoints" / "ckpt-7"
    assert exported.output == output
    assert len(stages) == 3
    assert list(output.parent.iterdir()) == [output]


def test_an_empty_folder_is_taken(one_run: Path, output: Path) -> None:
    output.mkdir(parents=True)
    prefix = one_run / "checkpoints" / "ckpt-7"
    assert export(checkpoint=prefix, format="huggingface", output=output).files


def test_an_unmapped_variable_fails_the_export(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complete = layout.links_of

    def incomplete(architecture: Architecture) -> dict[str, list[Link]]:
        tables = complete(architecture)
        tables["generator"].pop()  # the bias of its output
        return tables

    monkeypatch.setattr(layout, "links_of", incomplete)
    with pytest.raises(TrainingError, match="output_bias"):
        export(checkpoint=one_run, format="huggingface", output=output)
    assert_nothing_left(output)


@pytest.mark.parametrize("format", FORMATS)
def test_a_difference_fails_the_export(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    strict = partial(compare, tolerance=1e-12)
    monkeypatch.setattr(f"electra_cli.export.formats.{FORMATS[format]}.compare", strict)
    with pytest.raises(TrainingError, match="differs from the model"):
        export(checkpoint=one_run, format=format, output=output)
    assert_nothing_left(output)


def test_a_full_disk_leaves_nothing(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device")
    monkeypatch.setattr(Path, "write_bytes", raising(full))
    with pytest.raises(OSError, match="No space left"):
        export(checkpoint=one_run, format="huggingface", output=output)
    assert_nothing_left(output)
    full_too = tf.errors.ResourceExhaustedError(None, None, "variables; No space left on device")
    monkeypatch.setattr(tf.saved_model, "save", raising(full_too))
    with pytest.raises(OSError, match="No space left"):
        export(checkpoint=one_run, format="saved-model", output=output)
    assert_nothing_left(output)


def test_a_full_disk_at_the_beginning_is_an_io_error(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "mkdir", raising(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        export(checkpoint=one_run, format="huggingface", output=output)


def test_an_interrupt_leaves_nothing(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface, "check", raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        export(checkpoint=one_run, format="huggingface", output=output)
    assert_nothing_left(output)


def test_an_output_that_appears_meanwhile_is_kept(
    one_run: Path, output: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = huggingface.check

    def meanwhile(*arguments: Any) -> Parity:
        output.mkdir()
        (output / "mine.txt").touch()
        return check(*arguments)

    monkeypatch.setattr(huggingface, "check", meanwhile)
    with pytest.raises(OutputError, match="out"):
        export(checkpoint=one_run, format="huggingface", output=output)
    assert [path.name for path in output.parent.rglob("*")] == ["out", "mine.txt"]


def _flip_a_byte(shard: Path) -> None:
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 255
    shard.write_bytes(content)


@pytest.mark.parametrize("damage", [_flip_a_byte, Path.unlink])
def test_a_damaged_checkpoint_is_bad_data(
    one_run: Path, output: Path, tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(one_run, damaged)
    (shard,) = (damaged / "checkpoints").glob("*.data-*")
    damage(shard)
    with pytest.raises(DataError, match="ckpt-7"):
        export(checkpoint=damaged, format="huggingface", output=output)
    assert_nothing_left(output)


def test_a_changed_vocabulary_is_bad_data(one_run: Path, output: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(one_run, damaged)
    vocab = damaged / "data" / "vocab.txt"
    vocab.write_text(vocab.read_text(encoding="utf-8").replace("cat", "dog"), encoding="utf-8")
    with pytest.raises(DataError, match=r"vocab\.txt"):
        export(checkpoint=damaged, format="huggingface", output=output)
    vocab.unlink()
    with pytest.raises(InputMissingError, match=r"vocab\.txt"):
        export(checkpoint=damaged, format="huggingface", output=output)


def test_an_unknown_format_names_the_known_ones(one_run: Path, output: Path) -> None:
    with pytest.raises(ConfigError, match="pickle") as caught:
        export(checkpoint=one_run, format="pickle", output=output)
    assert "saved-model" in caught.value.hint

"""Tasks as the elements of a pipeline of Apache Beam."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from electra_cli.corpus.preparation.engines import beam
from electra_cli.errors import ConfigError, DataError, TryAgainError
from tests.corpus.corpora import folder_bytes, make_documents, write_vocabulary
from tests.prepared import prepare

# Beam looks for packages that it can do without.
pytestmark = pytest.mark.filterwarnings("ignore:Please install grpcio-status:ImportWarning")


@pytest.fixture(scope="module")
def one_stage(tmp_path_factory, all_stages):
    """Options with which slices need nothing that is made of the whole text."""
    vocab = write_vocabulary(tmp_path_factory.mktemp("beam") / "words.txt")
    return {"vocab": vocab, "sequence_length": 32, "slice_bytes": 8000}


@pytest.fixture(scope="module")
def whole(texts, one_stage, tmp_path_factory):
    out = tmp_path_factory.mktemp("whole") / "out"
    prepare(texts, out, **one_stage)
    return folder_bytes(out)


@pytest.mark.slow
def test_all_passes_in_memory(texts, all_stages, expected, tmp_path):
    prepare(texts, tmp_path / "out", engine="beam", **all_stages)
    assert folder_bytes(tmp_path / "out") == expected


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [
    ("runner=DirectRunner", "direct_running_mode=multi_threading", "direct_num_workers=4"),
    ("direct_running_mode=multi_processing", "direct_num_workers=2"),
], ids=["four threads", "two processes"])  # fmt: skip
def test_slices_in_other_modes(texts, one_stage, whole, tmp_path, arguments):
    """Which go on where another engine has stopped."""
    out = tmp_path / "out"
    prepare(texts, out, stage="prepare", task_index=0, num_tasks=2, **one_stage)
    prepare(texts, out, engine="beam", engine_args=arguments, **one_stage)
    assert folder_bytes(out) == whole


@pytest.mark.slow
def test_slices_on_dask(texts, one_stage, whole, tmp_path, dask_scheduler):
    """By a runner that Beam only knows once it is imported."""
    arguments = ("runner=DaskRunner", f"dask_scheduler_file={dask_scheduler}")
    prepare(texts, tmp_path / "out", engine="beam", engine_args=arguments, **one_stage)
    assert folder_bytes(tmp_path / "out") == whole


def test_what_is_wrong_with_the_input_is_told(one_stage, tmp_path):
    text, out = tmp_path / "bad.txt", tmp_path / "out"
    bad = "\n\n".join(make_documents(40)).encode() + b"\n\n\xff\xfe broken\n"
    text.write_bytes(bad + bad)  # in several slices
    with pytest.raises(DataError, match=r"bad\.txt, line \d+: invalid UTF-8") as caught:
        prepare(text, out, engine="beam", **one_stage)
    assert "--on-error skip" in caught.value.hint
    prepare(text, out, engine="beam", on_error="skip", **one_stage)
    prepare(text, tmp_path / "whole", on_error="skip", **one_stage)
    assert folder_bytes(out) == folder_bytes(tmp_path / "whole")


def test_standard_input(texts, one_stage, tmp_path, monkeypatch):
    """Which its workers find in the output folder."""
    for engine in ("local", "beam"):
        stdin = io.BytesIO((texts / "a.txt").read_bytes())
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=stdin))
        prepare(Path("-"), tmp_path / engine, engine=engine, **one_stage)
    assert folder_bytes(tmp_path / "beam") == folder_bytes(tmp_path / "local")


def test_a_pipeline_that_ends_before_its_tasks(texts, one_stage, tmp_path, monkeypatch):
    monkeypatch.setattr(beam, "_filing", lambda perform, folder: lambda ticket: 0)
    with pytest.raises(TryAgainError, match="pipeline failed: it has ended before its tasks"):
        prepare(texts, tmp_path / "out", engine="beam", **one_stage)


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("direct_num_workers=many", "--direct_num_workers=many: .*invalid int value: 'many'"),
        ("runner=NoSuchRunner", "--runner=NoSuchRunner: .*Unexpected pipeline runner: NoSuch"),
        ("nonsense=1", "--nonsense=1: it has no option --nonsense=1"),
        ("save_main_session=true", "--save_main_session=true: .*ignored explicit argument 'true'"),
    ],
)
def test_beam_refuses_an_argument(texts, tmp_path, argument, reason, capsys):
    """Before anything is written."""
    with pytest.raises(ConfigError, match=f"^Beam refuses {reason}") as caught:
        prepare(texts, tmp_path / "out", engine="beam", engine_args=(argument,))
    assert "--engine-arg KEY= is an option without a value" in caught.value.hint
    assert "usage:" not in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_beam_says_nothing_where_it_is_imported():
    """It logs that a library is missing that nobody asked for, once in a process."""
    code = (
        "from electra_cli.corpus.preparation.engines import beam\nwith beam.connected([], print): 0"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


def test_options_of_runners_that_beam_does_not_name_by_itself():
    with beam.connected(["save_main_session=", "runner=DaskRunner"], print) as cluster:
        pipeline = beam._pipeline(cluster._options)
    options = pipeline._options.get_all_options()
    assert options["save_main_session"] is True
    assert options["runner"] == "apache_beam.runners.dask.dask_runner.DaskRunner"
    assert options["partition_size"] == 1
    assert type(pipeline.runner).__name__ == "DaskRunner"

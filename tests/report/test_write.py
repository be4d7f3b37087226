"""Where a report is written: formats by endings, and over an earlier report only."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.errors import ConfigError, OutputError
from electra_cli.report.record import read_record
from electra_cli.report.write import (
    FORMATS,
    Format,
    check_output,
    format_of,
    write_own,
    write_report,
)
from electra_cli.runs.lock import cannot_write
from tests.conftest import read_only
from tests.report.made_run import finished, made_run


@pytest.mark.parametrize(
    ("path", "format", "found"),
    [
        (None, None, "html"),
        (None, "md", "md"),
        ("a.HTML", None, "html"),
        ("a.htm", None, "html"),
        ("a.b/c.markdown", None, "md"),
        ("a.svg", "svg", "svg"),
        ("a.txt", "md", "md"),
        ("a", "png", "png"),
    ],
)
def test_formats(path: str | None, format: Format | None, found: Format) -> None:
    assert format_of(None if path is None else Path(path), format) == found


@pytest.mark.parametrize(
    ("path", "format", "words", "hint"),
    [
        ("a", None, "its ending is that of no format", "--output a.html"),
        ("a.pdf", None, "its ending is that of no format", "--format html|png|svg|md"),
        ("a.png", "svg", "contradict each other", "write --output a.svg"),
    ],
)
def test_endings_that_say_nothing(path: str, format: Format | None, words: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        format_of(Path(path), format)
    assert hint in caught.value.hint


@pytest.mark.parametrize("format", FORMATS)
def test_an_earlier_report_is_written_anew(tmp_path: Path, format: Format) -> None:
    record = read_record(made_run(tmp_path / "run", finished(200)))
    path = tmp_path / f"report.{format}"
    write_report([record], [], path, format)
    check_output(path)
    write_report([record], [], path, "md")
    assert path.read_bytes().startswith(b"<!-- electra")
    assert {each.name for each in tmp_path.iterdir()} == {"run", path.name}


def test_a_run_never_fails_for_its_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no pen")

    warned: list[str] = []
    run = made_run(tmp_path / "run", finished(200))
    with monkeypatch.context() as patch:
        patch.setattr("electra_cli.report.page.page.page_of", fail)
        assert write_own(run, warn=warned.append) is None
    run.report.write_text("mine")
    assert write_own(run, warn=warned.append) is None
    assert run.report.read_text() == "mine"
    assert "ValueError: no pen; `electra report` writes one" in warned[0]
    assert f"{run.report} exists and is no report of electra" in warned[1]
    run.report.unlink()
    assert write_own(run, warn=warned.append) == run.report
    assert len(warned) == 2


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html><p>electra</p></html>",
        b"# Notes\n\n<!-- electra 1.0 -->\n\n# Report of run\n",
        b"\x89PNG\r\n\x1a\nIHDR tEXtSoftware\0Matplotlib",
        b"x" * 5000 + b'<meta name="generator" content="electra 1.0">',
    ],
)
def test_nothing_else_is_written_over(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "report.html"
    path.write_bytes(content)
    record = read_record(made_run(tmp_path / "run"))
    with pytest.raises(OutputError, match="exists and is no report of electra"):
        write_report([record], [], path, "md")
    assert path.read_bytes() == content


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder") as caught:
        check_output(tmp_path)
    assert f"--output {tmp_path}/report.html" in caught.value.hint


@pytest.mark.parametrize("place", ["missing/report.md", "run/config.yaml/report.md"])
def test_a_place_that_is_not_there(tmp_path: Path, place: str) -> None:
    record = read_record(made_run(tmp_path / "run"))
    with pytest.raises(OutputError, match="cannot write to"):
        write_report([record], [], tmp_path / place, "md")


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    record = read_record(made_run(tmp_path / "run"))
    (tmp_path / "out").mkdir()
    with read_only(tmp_path / "out"), pytest.raises(OutputError, match="cannot write to"):
        write_report([record], [], tmp_path / "out" / "report.md", "md")


def test_a_folder_that_does_not_exist_is_to_be_made(tmp_path: Path) -> None:
    error = cannot_write(tmp_path / "no folder" / "x.html", FileNotFoundError(2, "No such file"))
    assert error.hint == f"mkdir -p '{tmp_path / 'no folder'}'"
    error = cannot_write(tmp_path / "x.html", FileNotFoundError(2, "No such file"))  # as in /proc
    assert error.hint == "choose another folder, or change its permissions"

"""URLs where a path is expected, in every command: nothing becomes a local folder `s3:`."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.cli.options import refuse_url
from electra_cli.errors import ConfigError
from tests.conftest import Electra

PRETRAIN = ["pretrain", "--preset", "tiny", "--dry-run"]
EXPORT = ["export", "run", "--format", "huggingface"]


@pytest.mark.parametrize(
    "command",
    [
        ["prepare-data", "a.txt", "--output"],
        ["prepare-data", "a.txt", "--output", "o", "--vocab"],
        ["pretrain", "--dry-run", "--preset"],
        [*PRETRAIN, "--model-dir"],
        [*PRETRAIN, "--config"],
        [*PRETRAIN, "--init-from"],
        [*PRETRAIN, "--gin-file", "a.gin", "--gin-file"],
        ["evaluate", "run"],
        ["evaluate", "run", "--data"],
        ["report"],
        ["report", "run", "--output"],
        [*EXPORT, "--output"],
        ["export", "--format", "huggingface", "--output", "o"],
        ["debug", "data"],
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("url", ["gs://bucket/a", "s3:/bucket/a"])
def test_every_path_of_every_command(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], url: str
) -> None:
    monkeypatch.chdir(tmp_path)
    electra(*command, url, "--json").failed(2, f"{url[:2]}://bucket/a", "is a URL", "mount it")
    assert not list(tmp_path.iterdir())


def test_the_path_of_a_generator(electra: Electra) -> None:
    options = ["--set=generator.frozen=gs://bucket/a", "--set=generator.sharing=none", "--json"]
    electra(*PRETRAIN, *options).failed(2, "gs://bucket/a", "generator.frozen", "is a URL")


@pytest.mark.parametrize("where", ["--set", "environment", "file"])
def test_the_path_of_the_data_in_a_configuration(
    electra: Electra, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [*PRETRAIN, "--json"]
    if where == "--set":
        command.append("--set=data.path=hdfs://host/a")
    elif where == "environment":
        monkeypatch.setenv("ELECTRA_DATA__PATH", "hdfs://host/a")
    else:
        Path("a.yaml").write_text("data:\n  path: hdfs://host/a\n")
        command.append("--config=a.yaml")
    electra(*command).failed(2, "hdfs://host/a is a URL", "s3://")


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("s3://b/x", "s3://b/x"),
        ("S3A:/b/x", "S3A://b/x"),
        ("abfss://c@account/x", "abfss://c@account/x"),
        ("hdfs://n:8020/x", "hdfs://n:8020/x"),
        ("git+https://host", "git+https://host"),
        ("file:///data/x", "file:///data/x"),
        ("file:/data/x", "file:///data/x"),
        ("a:b", None),
        ("a:b/c", None),
        ("texts/10:/x", None),
        ("/mnt/s3:/b", None),
        ("./12:30", None),
        ("C:/texts", None),
        ("-", None),
    ],
)
def test_what_is_a_url(path: str, url: str | None) -> None:
    if url is None:
        refuse_url(path, "data")
        return
    with pytest.raises(ConfigError) as caught:
        refuse_url(path, "data")
    assert caught.value.message.startswith(f"{url} (data) is a URL")
    assert ("give the path itself: /data/x" in caught.value.hint) == url.startswith("file:")


def test_a_folder_with_a_colon(electra: Electra, corpus: Path, tmp_path: Path) -> None:
    output = tmp_path / "a:b" / "s3:"
    command = ["prepare-data", corpus, "--vocab-size", 300, "--output", output, "--workers", 1]
    result = electra(*command, "--json")
    assert result.code == 0, result.stderr
    assert (output / "manifest.json").is_file()

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from electra_cli.cli.commands.debug_data import print_lengths
from electra_cli.cli.screen.console import Terminal
from electra_cli.corpus.duplicates.outcome import DuplicateOptions
from electra_cli.corpus.shards.manifest import load_manifest
from electra_cli.corpus.shards.rows import load_shard
from tests.conftest import Electra
from tests.corpus.corpora import make_documents, write_text
from tests.prepared import prepare

SHARD = "train-00000.npy"


@pytest.fixture
def folder(data: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(data, tmp_path / "data"))


def damage(path: Path) -> None:
    """Puts an id that no vocabulary of the tests has into the last place of the last row."""
    path.write_bytes(path.read_bytes()[:-2] + b"\xff\xff")


def test_object_and_tables(electra: Electra, folder: Path) -> None:
    done = electra("debug", "data", folder, "--examples", 2, "--json")
    assert done.code == 0, done.stderr
    manifest = load_manifest(folder)
    found = done.json
    assert found["data"] == str(folder)
    for key in ("examples", "validation_examples"):
        assert found["manifest"][key] == found["counted"][key] == getattr(manifest, key)
    assert found["manifest"]["padding"] == found["counted"]["padding"]
    assert found["manifest"]["word_pieces"] == manifest.counts.tokens
    rows = sum(entry["rows"] for entry in found["lengths"])
    assert rows == manifest.examples + manifest.validation_examples
    tokens = sum(entry["tokens"] * entry["rows"] for entry in found["lengths"])
    assert found["padding_share"] == pytest.approx(1 - tokens / (rows * 32))
    assert (found["verified_files"], found["verified_bytes"]) == (None, None)
    assert len(found["examples"]) == 2
    for example in found["examples"]:
        assert example["text"].startswith("[CLS] ")
        assert "[MASK]" not in example["text"]
        assert "[MASK]" in example["masked"]
        assert example["text"] in done.stderr
        assert example["masked"] in done.stderr
    for figure in ("unknown rate", "tokens a word", "training rows twice", "Row lengths"):
        assert figure in done.stderr
    assert f"{manifest.counts.tokens:,}" in done.stderr
    assert found["manifest"]["words"] == manifest.counts.words
    by_manifest = f"{manifest.counts.tokens / manifest.counts.words:.2f}"
    by_rows = f"{found['tokens_a_word']:.2f}"
    shown = next(line for line in done.stderr.splitlines() if "tokens a word" in line)
    assert shown.index(by_manifest) < shown.rindex(by_rows)
    assert manifest.baselines is not None
    assert found["manifest"]["baselines"] == manifest.baselines.model_dump()
    assert found["counted"]["baselines"] == manifest.baselines.model_dump()
    entropy = f"{manifest.baselines.unigram_entropy:.4f}"
    shown = next(line for line in done.stderr.splitlines() if "guessing by frequency" in line)
    assert shown.count(entropy) == 2


def test_a_folder_of_an_older_electra_has_no_baselines(electra: Electra, folder: Path) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    content.pop("baselines")
    path.write_text(json.dumps(content))
    done = electra("debug", "data", folder, "--examples", 0, "--json")
    assert done.code == 0, done.stderr
    assert done.json["manifest"]["baselines"] is None
    assert done.json["counted"]["baselines"]["tokens"] > 0


def test_duplicates_that_were_left_out_are_shown(electra: Electra, tmp_path: Path) -> None:
    texts = [*make_documents(30), *make_documents(7), "unseen\n" + make_documents(1)[0]]
    text = write_text(tmp_path / "a.txt", texts)
    prepare(text, tmp_path / "out", vocab_size=300, duplicates=DuplicateOptions(paragraphs=True))
    done = electra("debug", "data", tmp_path / "out", "--examples", 0, "--json")
    found = done.json["manifest"]
    assert (found["documents"], found["duplicate_documents"]) == (31, 7)
    assert found["duplicate_paragraphs"] == 7
    for line in ("duplicate documents left out", "duplicate paragraphs left out"):
        assert next(shown for shown in done.stderr.splitlines() if line in shown).count("7") == 1
    assert "near duplicates" not in done.stderr


def test_the_histogram_has_every_row(electra: Electra, folder: Path) -> None:
    done = electra("debug", "data", folder, "--examples", 0, "--json")
    bars = [line for line in done.stderr.splitlines() if "░" in line or "█" in line]
    assert len(bars) == 16
    shown = [int(line.split("│")[2].replace(",", "")) for line in bars]
    lengths = done.json["lengths"]
    assert sum(shown) == sum(entry["rows"] for entry in lengths)
    assert shown[-1] == sum(entry["rows"] for entry in lengths if entry["tokens"] > 30)
    assert max(line.count("█") for line in bars) == 32  # the longest is full


@pytest.mark.parametrize("longest", [8, 16, 17, 100, 512])
def test_bars_of_the_same_width_up_to_the_longest_row(
    longest: int, capsys: pytest.CaptureFixture[str]
) -> None:
    print_lengths(Terminal(), [0, *range(1, longest + 1)])
    lines = [line.split("│")[1:3] for line in capsys.readouterr().err.splitlines() if "…" in line]
    ends = [[int(end) for end in name.split("…")] for name, _ in lines]
    assert len(lines) <= 16
    assert (ends[0][0], ends[-1][1]) == (1, longest)
    assert all(after[0] == before[1] + 1 for before, after in pairwise(ends))
    assert len({last - first for first, last in ends[:-1]}) == 1
    assert sum(int(rows.replace(",", "")) for _, rows in lines) == longest * (longest + 1) // 2


def test_verify(electra: Electra, folder: Path) -> None:
    done = electra("debug", "data", folder, "--verify", "--examples", 0, "--json")
    size = sum(path.stat().st_size for path in folder.glob("*.npy"))
    assert (done.code, done.json["verified_files"], done.json["verified_bytes"]) == (0, 3, size)
    assert f"verified 3 files, {size:,} bytes" in done.stderr
    assert done.json["examples"] == []


def test_quiet(electra: Electra, folder: Path) -> None:
    done = electra("debug", "data", folder, "--verify", "--examples", 0, "--quiet")
    assert (done.code, done.stdout, done.stderr) == (0, "", "")


def test_no_folder(electra: Electra, tmp_path: Path) -> None:
    for options in ([], ["--verify"]):
        done = electra("debug", "data", tmp_path / "nowhere", *options, "--json")
        done.failed(66, "there is no folder", "nowhere", "electra prepare-data INPUT")


def test_no_prepared_folder(electra: Electra, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, what in ((tmp_path, "no manifest.json"), (tmp_path / "file", "it is a file")):
        for options in ([], ["--verify"]):
            done = electra("debug", "data", folder, *options, "--json")
            done.failed(65, str(folder), what, "electra prepare-data")


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_a_missing_and_a_short_shard(electra: Electra, folder: Path, options: list[str]) -> None:
    (folder / "validation-00000.npy").unlink()
    (folder / SHARD).write_bytes(b"short")
    electra("debug", "data", folder, *options, "--json").failed(
        65, f"{SHARD} has 5 bytes, not", "validation-00000.npy is missing",
        f"electra debug data {folder} --verify", "electra prepare-data INPUT",
    )  # fmt: skip


@pytest.mark.parametrize("options", [[], ["--verify"]])
def test_a_damaged_shard(electra: Electra, folder: Path, options: list[str]) -> None:
    damage(folder / SHARD)
    last = len(load_shard(folder / SHARD)) - 1
    electra("debug", "data", folder, *options, "--json").failed(
        65,
        str(folder),
        f"{SHARD} has a word that begins on a special token",
        f"in row {last}",
        "electra prepare-data",
    )


def test_only_verify_sees_a_changed_word(electra: Electra, folder: Path) -> None:
    path = folder / SHARD
    ids = load_shard(path).copy()
    ids[0, 1] ^= 1
    with path.open("r+b") as file:
        file.seek(-ids.nbytes, 2)
        file.write(ids.tobytes())
    assert electra("debug", "data", folder, "--examples", 0).code == 0
    done = electra("debug", "data", folder, "--examples", 0, "--verify", "--json")
    done.failed(65, f"{SHARD} has another checksum")


def test_all_faults_are_printed(electra: Electra, folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["examples"] += 1
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (folder / "validation-00000.npy").unlink()
    (folder / "vocab.txt").unlink()
    damage(folder / SHARD)
    done = electra("debug", "data", folder, "--verify", "--json")
    done.failed(65, "validation-00000.npy is missing; vocab.txt is missing", "and 2 more")
    faults = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(faults) == 5
    assert sum(SHARD in fault for fault in faults) == 2


def test_usage(electra: Electra, folder: Path) -> None:
    electra("debug", "data", folder, "--examples", -1, "--json").failed(2, "--examples", "-1")
    electra("debug", "dada", folder, "--json").failed(2, "dada")
    electra("debug", "data", "--json").failed(2, "DIR")
    assert electra("debug").code == 2


def test_tensorflow_is_imported_for_examples_only(folder: Path) -> None:
    check = (
        "import sys; from electra_cli.cli.app import run; code = run(sys.argv[1:]);"
        "assert not {'tensorflow', 'tf_keras', 'official'} & set(sys.modules); sys.exit(code)"
    )

    def code(*arguments: object) -> int:
        command = [sys.executable, "-c", check, "debug", "data", *map(str, arguments)]
        return subprocess.run(command, check=False).returncode

    assert code(folder, "--examples", 0, "--verify") == 0
    assert code("nowhere") == 66
    damage(folder / SHARD)
    assert code(folder) == 65

"""What a name of a configuration stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import dump_config, load_config
from electra_cli.config.named import NamedConfig, named_config
from electra_cli.config.schema import Config
from electra_cli.errors import ConfigError, ElectraError


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("small", None, NamedConfig(Config, preset="small")),
        ("cola", None, NamedConfig(FinetuneConfig, preset="cola")),
        ("a.yaml", "preset: small\n", NamedConfig(Config, file=Path("a.yaml"))),
        ("a.txt", "preset: small\n", NamedConfig(Config, file=Path("a.txt"))),
        ("a.yaml", "train:\n  steps: 5\n", NamedConfig(Config, preset="a.yaml")),
        ("a.yml", "task:\n  kind: qa\n", NamedConfig(FinetuneConfig, preset="a.yml")),
        ("a.yaml", "preset: qa\ntask:\n", NamedConfig(FinetuneConfig, file=Path("a.yaml"))),
    ],
)
def test_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str | None, found: NamedConfig
) -> None:
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path(name).write_text(text)
    assert named_config(name) == found
    assert isinstance(found.load({}).config, found.root)


@pytest.mark.parametrize("root", [Config, FinetuneConfig])
def test_the_record_of_a_run_is_as_it_was_written(
    tmp_path: Path, root: type[Config | FinetuneConfig]
) -> None:
    """Its preset was a file that is gone, and what this shell sets came later."""
    preset = "small" if root is Config else "qa"
    was = load_config(root, preset=preset, environment={}).config
    was = was.replaced({"train.seed": 5}).model_copy(update={"preset": "gone"})
    file = tmp_path / ("config.yaml" if root is Config else "finetune.yaml")
    file.write_text(dump_config(was))
    found = named_config(str(tmp_path))
    assert (found.root, found.recorded) == (root, True)
    loaded = found.load({"ELECTRA_TRAIN__SEED": "7"})
    assert loaded.config.train.seed == 5
    assert set(loaded.origins.values()) == {str(file)}


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("large-", 2, "did you mean large?"),
        ("qqqq-tasks", 2, "choose one of tiny"),
        ("gone.yaml", 66, "gone.yaml"),
        ("broken.yaml", 2, "broken.yaml is no YAML: line 2"),
        ("notes.txt", 2, "name a YAML file that has sections with keys below them"),
        (".", 65, "no run folder"),
    ],
)
def test_what_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: int, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.yaml").write_text("a: [\n")
    Path("notes.txt").write_text("Remember: the milk\n  and: the\n - bread\n")
    with pytest.raises(ElectraError) as error:
        named_config(name)
    assert error.value.exit_code == code
    assert words in error.value.message + error.value.hint


def test_a_file_that_names_a_preset_that_is_gone(tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text("preset: gone\ntrain:\n  steps: 5\n")
    with pytest.raises(ConfigError, match="unknown preset gone"):
        named_config(str(file)).load({})

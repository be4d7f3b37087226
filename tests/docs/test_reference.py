"""The documentation says what the code does: generated pages, links, command lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main
import yaml

from electra_cli.cli.app import app
from electra_cli.config.finetune import FinetuneConfig
from electra_cli.config.load import load_config, parse_set
from electra_cli.config.presets import available_presets
from electra_cli.config.schema import Config, leaf_fields
from electra_cli.metrics.scores import classification, regression, squad
from electra_cli.objectives import all_objectives, metrics_of
from tests.docs.pages import DOCS, ROOT, all_pages, electra_commands, generator, relative_links

PAGES = all_pages()
GUIDE = DOCS / "guide" / "finetune.md"
# Of pretraining, and of tasks; those of labels and types are anybody's.
KNOWN_METRICS = {
    *metrics_of(all_objectives(), detail=True),
    *classification.names(("no", "yes")),
    *regression.names(),
    *squad.names(answerable=False),
}


def page_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def test_the_reference_is_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert generator()["main"](["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    main = generator()["main"]
    pages = main.__globals__["pages"]()  # made once: it takes seconds
    monkeypatch.setitem(main.__globals__, "pages", lambda: pages)
    monkeypatch.setitem(main.__globals__, "OUTPUT", tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    page = tmp_path / "reference" / "options.md"
    page.write_text(page.read_text("utf-8").replace("--seed", "--sead"), "utf-8")
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert "options.md" in capsys.readouterr().err
    assert "--sead" in page.read_text("utf-8")  # a check writes nothing


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in relative_links(page) if not (page.parent / link).exists()]
    assert not missing


def test_the_site_lists_every_page() -> None:
    listed = (ROOT / "mkdocs.yml").read_text("utf-8")
    pages = [page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")]
    assert not [page for page in pages if page not in listed]


def test_commands_are_shown() -> None:
    shown = {words[0] for page in PAGES for words in electra_commands(page)}
    assert shown >= {"prepare-data", "pretrain", "evaluate", "finetune", "export", "debug"}


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_shown_commands_parse(page: Path) -> None:
    commands = typer.main.get_command(app).commands
    for name, *arguments in electra_commands(page):
        if name.startswith("-") or "--help" in arguments:
            continue
        assert name in commands, name
        command = commands[name]
        if hasattr(command, "commands"):
            assert arguments[0] in command.commands, (name, arguments)
            command = command.commands[arguments.pop(0)]
        # Raises a usage error for an unknown option, a wrong type or a missing value.
        values = command.make_context(name, list(arguments)).params
        root = FinetuneConfig if "task_file" in values else Config
        for text in values.get("settings") or []:
            assert parse_set(text).key in leaf_fields(root), text
        for text in values.get("fail_under") or []:
            assert text.partition("=")[0] in KNOWN_METRICS, text
        preset = values.get("preset", values.get("task"))
        if isinstance(preset, str):
            assert preset in available_presets(root) or preset.endswith(".yaml"), preset
        if file := values.get("task_file"):
            assert not file.is_relative_to("examples") or (ROOT / file).is_file(), file


def test_shown_tasks_load(tmp_path: Path) -> None:
    texts = re.findall(r"^```yaml\n(task:.*?)^```", GUIDE.read_text("utf-8"), re.M | re.S)
    assert len(texts) == 2
    shipped = yaml.safe_load((ROOT / "examples/labelled/topic.yaml").read_text("utf-8"))
    assert yaml.safe_load(texts[0]) == shipped
    for text in texts:
        (tmp_path / "task.yaml").write_text(text, "utf-8")
        load_config(FinetuneConfig, preset=str(tmp_path / "task.yaml"), environment={})

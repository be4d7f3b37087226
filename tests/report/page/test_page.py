"""The page: everything is in it, it is well-formed, and no text of a run is markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from electra_cli.report.markdown import as_markdown
from electra_cli.report.page.page import page_of
from electra_cli.report.record import RunRecord, read_records
from electra_cli.runs.held_out import HeldOut, Sentence, Token
from electra_cli.runs.metrics_file import History
from tests.report.made_run import finished, made_run
from tests.report.page import shown

NOTHING = History.of(())
_EMPTY = {"meta", "circle", "line"}  # elements without an end
_STYLE = Path(page_of.__code__.co_filename).with_name("report.css")


class _Page(HTMLParser):
    """Reads a page strictly: each element is ended where it has to be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        assert len(values) == len(attrs), (tag, attrs)
        assert not [name for name in values if name.startswith("on")]
        if "id" in values:
            self.ids.append(str(values["id"]))
        self.links += [
            str(values[name]) for name in ("href", "src", "xlink:href") if name in values
        ]
        if tag not in _EMPTY:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag, (tag, self._open)

    def handle_data(self, data: str) -> None:
        self.texts.append(" ".join(data.split()))


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    return shown.full_record(tmp_path_factory.mktemp("runs") / "full")


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    folder = tmp_path_factory.mktemp("runs") / "plain"
    return shown.record_of(folder, settings=["optimizer.learning_rate=1e-3"])


@pytest.fixture(scope="module")
def page(full: RunRecord) -> _Page:
    return _Page(page_of([full], [shown.scores(full.name)]))


def test_no_text_of_a_run_is_markup(page: _Page) -> None:
    assert not {"script", "img", "b", "iframe", "object", "link"} & set(page.tags)
    assert sum(shown.SCRIPT in text for text in page.texts) > 10
    assert any(shown.IMAGE in text for text in page.texts)


@pytest.mark.parametrize(("write", "typed"), [(page_of, "<code>b</code>"), (as_markdown, "a`b`")])
def test_nothing_obeys_a_name(write: Callable[..., str], typed: str, tmp_path: Path) -> None:
    run = made_run(tmp_path / "a`b`\u202e\nc", finished(), settings=["data.path=\u202ed"])
    record = read_records([run])[0]
    assert record.name == r"a\x60b\x60\u202e\nc"
    text = write([record], [])
    assert "\u202e" not in text
    assert typed not in text.split("## How to repeat it")[0]  # where all is to be typed


def test_it_is_one_file_with_links_to_itself_alone(page: _Page) -> None:
    assert len(set(page.ids)) == len(page.ids)
    assert page.links
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


@pytest.mark.parametrize(
    "text",
    [
        "Verdict",
        "What to try",
        "from step 70 to 80, from step 50 to 60, from step 30 to 40 and 1 more",
        "Loss at masked tokens",
        "masked_lm_accuracy",
        "rank 101 to 1,000",
        "position quarter 4",
        "cat 64%",
        "75% and more",
        "majority baseline",
        "goodput",
        "electra <b>",
    ],
)
def test_it_says(page: _Page, text: str) -> None:
    assert text in " ".join(page.texts)


def test_a_finding_has_a_card_whatever_number_of_times_it_held(page: _Page) -> None:
    assert page.texts.count("Holds") == 1
    assert page.texts.count("Over:") == 1
    assert page.texts.count("What it means") == 2


def test_several_runs_lie_over_each_other(full: RunRecord, plain: RunRecord) -> None:
    page = _Page(page_of([full, plain], []))
    for text in ("Where the runs differ", "optimizer.learning_rate", "0.001", "plain, step 1,000"):
        assert text in page.texts
    assert page.texts.count("Loss at masked tokens") == 1
    assert page.texts.count("How to repeat it") == 1


def test_runs_that_differ_in_nothing(plain: RunRecord) -> None:
    short = replace(plain, history=NOTHING)
    page = _Page(page_of([short, replace(short, name="again")], []))
    assert "In no key of their configurations." in page.texts


def test_a_run_that_has_only_begun(plain: RunRecord) -> None:
    begun = replace(plain, history=NOTHING, state="begun", commands=(), manifest=None)
    page = _Page(page_of([begun], []))
    assert {"Nothing was logged yet.", "Its files do not tell."} < set(page.texts)
    assert "Held-out metrics" not in page.texts


def test_without_a_discriminator_there_is_no_suspicion(plain: RunRecord) -> None:
    sentence = Sentence(0, [Token("fox", True, "cat", None), Token("ran", False, None, None)])
    page = _Page(page_of([replace(plain, history=NOTHING, held_out=HeldOut(5, [sentence]))], []))
    assert "cat" in page.texts
    assert not any("Suspicion" in text or "64%" in text for text in page.texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "type (`electra <b>`) or `b`.",
            'type <span class="whole">(<code>electra &lt;b&gt;</code>)</span> or '
            '<span class="whole"><code>b</code>.</span>',
        ),
        ("a lone ` and <b>", "a lone ` and &lt;b&gt;"),
    ],
)
def test_what_is_to_be_typed_is_code(full: RunRecord, text: str, expected: str) -> None:
    assert expected in page_of([replace(full, history=NOTHING, remarks=[text], findings=())], [])


_PAIRS = [
    *((front, back) for front in ("ink", "muted") for back in ("paper", "card")),
    ("link", "paper"),
    *(("ink", shade) for shade in ("s1", "s2", "s3", "s4")),
]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_letters_are_told_from_what_is_behind_them(theme: str) -> None:
    """WCAG 2.2, 1.4.3 for text (4.5) and 1.4.11 for lines (3)."""
    light, dark = (
        dict(re.findall(r"--([\w-]+): (#\w{6})", part))
        for part in _STYLE.read_text(encoding="utf-8").split("prefers-color-scheme: dark")
    )
    colours = light if theme == "light" else light | dark
    assert set(light) == set(dark)
    for front, back in _PAIRS:
        assert _contrast(colours[front], colours[back]) >= 4.5, (front, back)
    for name in colours:
        if name.startswith("run-") or name == "wrong":
            assert _contrast(colours[name], colours["paper"]) >= 3, name


def _contrast(first: str, second: str) -> float:
    low, high = sorted(_luminance(colour) for colour in (first, second))
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: str) -> float:
    shares = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [s / 12.92 if s <= 0.04045 else ((s + 0.055) / 1.055) ** 2.4 for s in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

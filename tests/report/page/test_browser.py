"""The page in a real browser: wide and narrow, light and dark, on paper, and without a network."""

from __future__ import annotations

import base64
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from electra_cli.report.page.page import _prose, page_of
from electra_cli.runs.metrics_file import History
from tests.report.page import shown

_CHROMIUM, _DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        _CHROMIUM is None or _DRIVER is None,
        reason="looks at a page in Chromium: apt-get install chromium chromium-driver",
    ),
]

_OPTIONS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    *["--no-sandbox"] * (os.geteuid() == 0),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(_CHROMIUM)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    for option in _OPTIONS:
        options.add_argument(option)
    driver = webdriver.Chrome(options, Service(str(_DRIVER)))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with everything and hostile texts, two of them, and one with nothing."""
    folder = tmp_path_factory.mktemp("pages")
    full = shown.full_record(folder / "full")
    small = shown.record_of(
        folder / "small", "small", ["train.steps=1000000", "train.batch_size=128"]
    )
    begun = replace(small, history=History.of(()), state="begun")
    written = {
        "full": page_of([full], [shown.scores(full.name)]),
        "both": page_of([full, replace(small, name="small")], []),
        "begun": page_of([begun], []),
    }
    for name, text in written.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in written}


def show(browser: webdriver.Chrome, path: Path, *, width: int = 1280, theme: str = "light") -> None:
    scheme = {"name": "prefers-color-scheme", "value": theme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for log in ("browser", "performance"):
        browser.get_log(log)  # what was there is dropped
    browser.get(path.as_uri())


def value(browser: webdriver.Chrome, expression: str) -> Any:
    return browser.execute_script(f"return {expression}")


@pytest.mark.parametrize("name", ["full", "both", "begun"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_fits_and_loads_nothing(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str, theme: str, width: int
) -> None:
    show(browser, pages[name], width=width, theme=theme)
    assert browser.get_log("browser") == []
    page = "document.documentElement"
    assert value(browser, "innerWidth") == width
    assert value(browser, f"{page}.scrollWidth") <= value(browser, f"{page}.clientWidth")
    background = value(browser, "getComputedStyle(document.body).backgroundColor")
    light = max(map(int, background.removeprefix("rgb(").removesuffix(")").split(",")))
    assert (light > 200) is (theme == "light")
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        message["params"]["request"]["url"]
        for message in messages
        if message["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [pages[name].as_uri()]


def test_an_option_is_in_one_line(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["full"], width=400)
    text = _prose("Try (`--batch-size`); [`--steps`]: `--seed`.")
    browser.execute_script("document.querySelector('dd').innerHTML = arguments[0]", text)
    heights = set()
    for indent in range(0, 300, 5):  # wherever in its line it begins
        browser.execute_script(f"document.querySelector('dd').style.textIndent = '{indent}px'")
        browser.execute_script(
            "document.querySelectorAll('dd code').forEach(e => e.style.textIndent = 0)"
        )
        whole = "[...document.querySelectorAll('dd .whole')]"
        heights.add(tuple(value(browser, f"{whole}.map(e => e.getBoundingClientRect().height)")))
    assert len(heights) == 1


def test_nothing_in_it_runs(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["full"])
    assert value(browser, "document.scripts.length + document.images.length") == 0
    assert shown.SCRIPT in browser.title
    assert value(browser, "document.querySelectorAll('.tokens ruby').length") == 10 * 22 + 10


def test_its_policy_forbids_what_would(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    hostile = pages["full"].with_name("hostile.html")
    text = pages["full"].read_text(encoding="utf-8")
    hostile.write_text(text.replace("</main>", f"{shown.SCRIPT}{shown.IMAGE[2:]}</main>"))
    show(browser, hostile)
    assert browser.title != "owned"
    refused = [entry["message"] for entry in browser.get_log("browser")]
    assert len(refused) == 2
    assert all("Content Security Policy" in message for message in refused)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_pictures_have_the_colours_of_the_theme(
    browser: webdriver.Chrome, pages: dict[str, Path], theme: str
) -> None:
    show(browser, pages["full"], theme=theme)
    text = value(browser, "getComputedStyle(document.querySelector('.plot text')).fill")
    muted = value(browser, "getComputedStyle(document.querySelector('.remark')).color")
    assert text == muted


def test_wide_tables_scroll_in_their_own_box(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    show(browser, pages["both"], width=400)
    wide = value(
        browser,
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth)"
        ".map(e => e.tabIndex)",
    )
    assert wide
    assert set(wide) == {0}  # a keyboard reaches them


def test_it_has_a_page_for_readers_and_one_head_after_the_other(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    show(browser, pages["both"])
    levels = value(
        browser, "[...document.querySelectorAll('h1,h2,h3,h4')].map(e => Number(e.tagName[1]))"
    )
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))
    assert value(browser, "document.documentElement.lang") == "en"
    unnamed = "[...document.querySelectorAll('[role=img],[role=region]')].filter(e => !e.ariaLabel)"
    assert value(browser, f"{unnamed}.length") == 0


def test_it_prints_light_and_cuts_no_card(
    browser: webdriver.Chrome, pages: dict[str, Path]
) -> None:
    show(browser, pages["full"], theme="dark")
    printed = browser.execute_cdp_cmd("Page.printToPDF", {})
    assert base64.b64decode(printed["data"]).startswith(b"%PDF")
    media = {"media": "print", "features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    assert value(browser, "getComputedStyle(document.body).color") == "rgb(31, 35, 40)"
    for kind in (".card", "figure", ".passage"):
        style = f"getComputedStyle(document.querySelector('{kind}'))"
        assert value(browser, f"{style}.breakInside") == "avoid"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})

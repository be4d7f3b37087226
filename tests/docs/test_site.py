"""The documentation site: built strictly, and every link in what was built leads somewhere."""

from __future__ import annotations

import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

import pytest

from tests.docs.pages import DOCS, ROOT

BUILDER = Path(sys.executable).with_name("zensical")


class Page(HTMLParser):
    """What a built page links to, what it loads, and the places in it that links can lead to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.places.update(value for name in ("id", "name") if (value := found.get(name)))
        if tag == "a" and found.get("href"):
            self.links.append(found["href"] or "")
        if tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.loads.append(found.get("href") or "")
        if tag in ("img", "script", "source", "iframe") and found.get("src"):
            self.loads.append(found["src"] or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copy(ROOT / "mkdocs.yml", folder)
    shutil.copytree(DOCS, folder / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    build(folder)
    return folder / "site"


def build(folder: Path, *, fails: bool = False) -> str:
    done = subprocess.run(
        [BUILDER, "build", "--strict"], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode != 0) is fails, done.stdout + done.stderr
    return done.stdout + done.stderr


def lost(page: Path, links: list[str], pages: dict[Path, Page]) -> list[str]:
    """Links of a page to files or places that are not there."""
    found = []
    for link in links:
        address, place = urldefrag(link)
        if urlsplit(address).scheme:
            continue
        target = page if not address else (page.parent / unquote(address)).resolve()
        if target.is_dir():
            target /= "index.html"
        if not target.is_file() or (place and unquote(place) not in pages[target].places):
            found.append(link)
    return found


def test_links_lead_somewhere_and_nothing_comes_from_elsewhere(site: Path) -> None:
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    # The page for an unknown address is served from anywhere: its links have no place of their own.
    of_readers = {path: page for path, page in pages.items() if path.name != "404.html"}
    assert len(of_readers) == len(list(DOCS.rglob("*.md")))
    broken = {
        str(path.relative_to(site.resolve())): found
        for path, page in of_readers.items()
        if (found := lost(path, page.links + page.loads, pages))
    }
    assert broken == {}
    foreign = {load for page in pages.values() for load in page.loads if urlsplit(load).netloc}
    assert foreign == set()


def test_the_search_knows_the_text(site: Path) -> None:
    assert "replaced token" in (site / "search.json").read_text("utf-8").lower()


def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# Start\n\n[gone](gone.md)\n", encoding="utf-8")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    assert "page does not exist" in build(tmp_path, fails=True)

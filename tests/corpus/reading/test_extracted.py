"""What WikiExtractor writes without --json."""

from __future__ import annotations

import bz2

import pytest

from electra_cli.errors import DataError
from tests.corpus.corpora import read_inputs
from tests.corpus.tables import write_tar


def doc(number: int, text: str) -> str:
    return (
        f'<doc id="{number}" url="https://x/?curid={number}" title="T {number}">\n{text}\n</doc>\n'
    )


TEXT = (
    doc(12, "Title\n\nFirst paragraph.\n\nSecond <i>one</i>.\n") + "\n" + doc(39, "Other\n\nLast.")
)
EXPECTED = [["Title", "First paragraph.", "Second <i>one</i>."], ["Other", "Last."]]


@pytest.mark.parametrize("name", ["wiki_00", "a.txt", "wiki_00.bz2"])
def test_each_doc_is_a_document_without_its_tags(tmp_path, name):
    content = TEXT.encode()
    (tmp_path / name).write_bytes(bz2.compress(content) if name.endswith("bz2") else content)
    assert read_inputs(tmp_path / name)[0] == EXPECTED
    assert read_inputs(write_tar(tmp_path / "a.tar", {"AA/wiki_00": content}))[0] == EXPECTED


def test_text_outside_of_docs_is_damage(tmp_path):
    path = tmp_path / "wiki_00"
    path.write_text("\ufeff" + TEXT + "\nbehind\n")
    with pytest.raises(DataError, match=r"wiki_00: between documents is b'behind"):
        read_inputs(path)
    assert read_inputs(path, on_error="skip")[0] == EXPECTED


def test_a_file_that_is_cut_off_is_damaged(tmp_path):
    path = tmp_path / "wiki_00"
    path.write_text(TEXT[:-9])
    with pytest.raises(DataError, match=r"wiki_00: truncated, a document has no </doc>"):
        read_inputs(path)
    documents, counts = read_inputs(path, on_error="skip")
    assert (documents, counts.damaged_inputs) == (EXPECTED[:1], 1)


def test_a_doc_that_is_not_utf_8_is_named_by_its_number(tmp_path):
    (tmp_path / "wiki_00").write_bytes(TEXT.replace("Last", "Größe").encode("latin-1"))
    with pytest.raises(DataError, match="wiki_00, record 2: invalid UTF-8"):
        read_inputs(tmp_path / "wiki_00")

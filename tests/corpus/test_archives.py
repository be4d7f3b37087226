from __future__ import annotations

import gzip
import io
import tarfile
import zipfile

import pytest

from electra_cli.errors import DataError
from tests.corpus.corpora import folder_bytes, make_documents, read_inputs
from tests.corpus.tables import COMPRESSORS, WRITERS, delimited, txt, write_tar, write_zip

DOCUMENTS = make_documents(20)
EXPECTED = [text.split("\n") for text in DOCUMENTS]
WRITE = {".zip": write_zip, ".tar": write_tar}
ARCHIVES = pytest.mark.parametrize("ending", WRITE)


@ARCHIVES
def test_members_of_every_format_and_compression(tmp_path, ending):
    members = {
        f"folder/{name}{compressed}": compress(write(DOCUMENTS))
        for name, write in WRITERS.items()
        for compressed, compress in COMPRESSORS.items()
    }
    path = WRITE[ending](tmp_path / f"a{ending}", members)
    assert read_inputs(path)[0] == EXPECTED * len(members)


@pytest.mark.parametrize("compressed", COMPRESSORS)
@ARCHIVES
def test_the_archive_itself_may_be_compressed(tmp_path, ending, compressed):
    path = WRITE[ending](tmp_path / f"a{ending}", {"a.txt": txt(DOCUMENTS)})
    path.write_bytes(COMPRESSORS[compressed](path.read_bytes()))
    documents, counts = read_inputs(path)
    assert documents == EXPECTED
    assert counts.input_bytes == len(txt(DOCUMENTS))


@ARCHIVES
def test_what_is_no_text_is_passed_over(tmp_path, ending):
    members = {
        "image.png": b"\x89PNG\x00",
        "__MACOSX/._a.txt": b"\x00\x05\x16\x07",
        "empty.txt": b"",
        "empty.csv": b"",
        "empty.parquet": b"",
        "empty.jsonl.gz": gzip.compress(b""),
        "a.txt": b"one",
    }
    assert read_inputs(WRITE[ending](tmp_path / f"a{ending}", members))[0] == [["one"]]


@ARCHIVES
def test_archive_without_text(tmp_path, ending):
    path = WRITE[ending](tmp_path / f"a{ending}", {"image.png": b"\x89PNG\x00"})
    with pytest.raises(DataError, match=rf"no text in .*a\{ending}: it holds no file ending") as e:
        read_inputs(path)
    assert "--format" in e.value.hint


@ARCHIVES
def test_names_never_reach_the_disk(tmp_path, ending):
    inside = tmp_path / "inside"
    inside.mkdir()
    names = ["../../canary.txt", "/canary.txt", str(tmp_path / "canary.txt"), "a.txt", "a.txt"]
    path = inside / f"a{ending}"
    with tarfile.open(path, "w") if ending == ".tar" else zipfile.ZipFile(path, "w") as archive:
        for number, name in enumerate(names):
            content = f"text {number}".encode()
            if isinstance(archive, tarfile.TarFile):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            elif number == 4:
                with pytest.warns(UserWarning, match="Duplicate name"):
                    archive.writestr(name, content)
            else:
                archive.writestr(name, content)
    before = folder_bytes(tmp_path)
    assert read_inputs(path)[0] == [[f"text {number}"] for number in range(5)]
    assert folder_bytes(tmp_path) == before


@ARCHIVES
def test_strange_names_are_shown_harmlessly(tmp_path, ending):
    path = WRITE[ending](tmp_path / f"a{ending}", {"x\x1b[2J\n.jsonl": b"{broken"})
    with pytest.raises(DataError, match=rf"a\{ending}!x\?\[2J\?\.jsonl, line 1: not valid JSON"):
        read_inputs(path)


def test_links_and_devices_are_passed_over(tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, kind in [("a.txt", tarfile.SYMTYPE), ("b.txt", tarfile.LNKTYPE),
                           ("c.txt", tarfile.CHRTYPE), ("d.txt", tarfile.FIFOTYPE),
                           ("e.txt", tarfile.DIRTYPE)]:  # fmt: skip
            info = tarfile.TarInfo(name)
            info.type = kind
            info.linkname = str(tmp_path / "secret.txt")
            tar.addfile(info)
    write = zipfile.ZipFile(tmp_path / "a.zip", "w")
    with write as archive:
        link = zipfile.ZipInfo("a.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(tmp_path / "secret.txt"))
        archive.writestr("e.txt/", b"")
    for name in ("a.tar", "a.zip"):
        with pytest.raises(DataError, match="no text in"):
            read_inputs(tmp_path / name)


@ARCHIVES
@pytest.mark.parametrize("inner", [".zip", ".tar"])
def test_archives_in_archives_are_refused_by_name(tmp_path, ending, inner):
    content = WRITE[inner](tmp_path / "inner", {"a.txt": b"x"}).read_bytes()
    for name in (f"deep/b{inner}", "b.txt"):
        path = WRITE[ending](tmp_path / f"a{ending}", {name: content})
        with pytest.raises(DataError, match=rf"a\{ending}!{name} is an archive within an archive"):
            read_inputs(path)
    path = WRITE[ending](tmp_path / f"a{ending}", {"b.tgz": gzip.compress(content)})
    with pytest.raises(DataError, match="is an archive within an archive"):
        read_inputs(path)


def test_encrypted_members_are_refused_by_name(tmp_path):
    path = write_zip(tmp_path / "a.zip", {"a.txt": b"text"})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flag in the member's header and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"a\.zip!a\.txt is encrypted"):
        read_inputs(path)


def test_a_header_larger_than_any_name(tmp_path):
    """tarfile would hold it whole."""
    info = tarfile.TarInfo("././@LongLink")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 2**40
    (tmp_path / "a.tar").write_bytes(info.tobuf(tarfile.GNU_FORMAT) + b"x" * 4096)
    with pytest.raises(DataError, match=r"a\.tar: damaged.*a header of 1,099,511,627,776 bytes"):
        read_inputs(tmp_path / "a.tar")


def test_sparse_members_are_refused_by_name(tmp_path):
    info = tarfile.TarInfo("a.txt")
    info.size = 10**15
    info.pax_headers = {
        "GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.name": "a.txt",
        "GNU.sparse.size": str(10**15), "GNU.sparse.numblocks": "1", "GNU.sparse.map": "0,0",
    }  # fmt: skip
    info.size = 0
    with tarfile.open(tmp_path / "a.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(info)
    with pytest.raises(DataError, match=r"a\.tar!a\.txt is sparse"):
        read_inputs(tmp_path / "a.tar")


@ARCHIVES
def test_damaged_archives(tmp_path, ending):
    members = {f"{number}.txt": txt(DOCUMENTS * 20) for number in range(4)}
    path = WRITE[ending](tmp_path / f"a{ending}", members)
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) // 2 + 200, 600):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=rf"a\{ending}.*: damaged, truncated"):
            read_inputs(path)
        documents, counts = read_inputs(path, on_error="skip")
        assert documents == (EXPECTED * 80)[: len(documents)]
        assert (counts.damaged_inputs, counts.unreadable_files) == (1 if ending == ".zip" else 2, 0)
    header = whole.index(b"2.txt")
    damaged = whole[:header] + b"\x99" * 200 + whole[header + 200 :]
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=rf"a\{ending}.*: damaged, truncated"):
        read_inputs(path)


def test_a_wrong_checksum_names_the_member(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:  # stored
        archive.writestr("a.txt", b"one text")
    path.write_bytes(path.read_bytes().replace(b"one text", b"two text"))
    with pytest.raises(DataError, match=r"a\.zip!a\.txt: damaged, .*CRC"):
        read_inputs(path)


@ARCHIVES
def test_faults_name_archive_and_member(tmp_path, ending):
    members = {
        "a.jsonl": b'{"text": "one"}\n{broken\n{"text": "two"}\n{"text": "\xff"}\n',
        "b.txt": b"one\n\ntwo \xff\n",
        "c.csv": b"text,id\none,1\ntwo\nthree,3\n",
    }
    path = WRITE[ending](tmp_path / f"a{ending}", members)
    with pytest.raises(DataError, match=rf"a\{ending}!a\.jsonl, line 2: not valid JSON"):
        read_inputs(path)
    documents, counts = read_inputs(path, on_error="skip")
    assert documents == [["one"], ["two"], ["one"], ["one"], ["three"]]
    assert (counts.bad_json_lines, counts.bad_rows, counts.invalid_utf8) == (1, 1, 2)
    assert counts.input_bytes == sum(map(len, members.values()))


@ARCHIVES
def test_member_without_the_column(tmp_path, ending):
    path = WRITE[ending](tmp_path / f"a{ending}", {"x.csv": delimited(DOCUMENTS, ",")})
    with pytest.raises(DataError, match=rf"a\{ending}!x\.csv: no column 'body'.*'id', 'text'"):
        read_inputs(path, text_field="body")


@ARCHIVES
def test_binary_member(tmp_path, ending):
    path = WRITE[ending](tmp_path / f"a{ending}", {"x.txt": b"\x7fELF\x02" + bytes(90)})
    with pytest.raises(DataError, match=rf"no reader for .*a\{ending}!x\.txt: it is binary"):
        read_inputs(path)

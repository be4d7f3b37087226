from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest

from electra_cli.errors import DataError
from tests.corpus.corpora import folder_bytes, make_documents, read_inputs, read_so_far
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
    with pytest.raises(DataError, match=rf"no text in .*a\{ending}: it holds 1 \.png") as e:
        read_inputs(path)
    assert "tesseract" in e.value.hint
    with pytest.raises(DataError, match=rf"a\{ending}: it holds 2 \.xyz, 1 \.doc") as e:
        read_inputs(WRITE[ending](path, {"1.xyz": b"x", "2.XYZ.gz": b"y", "a.doc": b"z"}))
    assert e.value.hint.startswith(".xyz: if it is text, say with --format")
    assert "soffice" in e.value.hint


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
    for name, found in {"a.tar": "2 link, 2 no regular file", "a.zip": "1 link"}.items():
        with pytest.raises(DataError, match=rf"no text in .*{name}: it holds {found}$"):
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


@ARCHIVES
def test_damaged_archives(tmp_path, ending):
    members = {f"{number}.txt": txt(DOCUMENTS * 20) for number in range(4)}
    path = WRITE[ending](tmp_path / f"a{ending}", members)
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) // 2 + 200, 600):
        path.write_bytes(whole[:cut])
        with pytest.raises(DataError, match=rf"a\{ending}.*: damaged, truncated"):
            read_inputs(path)
        documents, read = read_so_far(path, on_error="skip")
        assert documents == (EXPECTED * 80)[: len(documents)]
        assert read.counts.unreadable_files == 0
        assert read.left_out[-1] == path.name
    header = whole.index(b"2.txt")
    damaged = whole[:header] + b"\x99" * 200 + whole[header + 200 :]
    path.write_bytes(damaged)
    with pytest.raises(DataError, match=rf"a\{ending}.*: damaged, truncated"):
        read_inputs(path)


def cut_tar(path: Path, members: dict[str, bytes], place: str) -> None:
    """Cuts a tar, compressed or not, at its second member; gzip is cut behind the same bytes."""
    plain = write_tar(path.with_name("plain"), members)
    with tarfile.open(plain) as tar:
        second = tar.getmembers()[1]
    cuts = {
        "within the content": second.offset_data + second.size // 2,
        "within the header": second.offset + 100,
        "between members": second.offset,
    }
    content = plain.read_bytes()[: cuts[place]]
    if path.suffix == ".gz":
        compressor = zlib.compressobj(wbits=31)
        content = compressor.compress(content) + compressor.flush(zlib.Z_SYNC_FLUSH)
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
@pytest.mark.parametrize("place", ["within the content", "within the header", "between members"])
def test_a_cut_tar_is_a_damaged_input_and_so_is_the_member_that_is_cut(tmp_path, name, place):
    path, ids = tmp_path / name, [str(number) for number in range(2000)]
    for second, write in WRITERS.items():
        for ending, compress in COMPRESSORS.items():
            first = {"1.txt": txt(DOCUMENTS * 20)}
            members = first | {f"{second}{ending}": compress(write(ids))}
            cut_tar(path, {**members, "3.txt": b"behind"}, place)
            with pytest.raises(DataError, match=rf"{name}.*: damaged"):
                read_inputs(path)
            documents, read = read_so_far(path, on_error="skip")
            assert documents[:20] == EXPECTED
            assert ["behind"] not in documents
            assert read.left_out[-1] == name
            assert all(left.startswith(f"{name}!") for left in read.left_out[:-1])
            assert read.counts.damaged_inputs == len(read.left_out) <= 2
            assert read.counts.unreadable_files == 0


ARCHIVED = {".tar": bytes, ".tar.gz": gzip.compress, ".tar.xz": COMPRESSORS[".xz"],
            ".tar.zst": COMPRESSORS[".zst"]}  # fmt: skip


@pytest.mark.parametrize("ending", ARCHIVED)
def test_archives_that_follow_one_another_in_a_file(tmp_path, ending):
    contents = [
        write_tar(tmp_path / "plain", {f"{name}.txt": name.encode(), "x.jpg": b"x"}).read_bytes()
        for name in ("one", "two", "three")
    ]
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"".join(map(ARCHIVED[ending], contents)))
    documents, counts = read_inputs(path)
    assert documents == [["one"], ["two"], ["three"]]
    assert (counts.damaged_inputs, counts.files, counts.passed_over) == (0, 3, {".jpg": 3})


def test_what_stands_before_a_zip_is_damage(tmp_path):
    content = write_zip(tmp_path / "a.zip", {"a.txt": b"one", "b.txt": b"two"}).read_bytes()
    other = write_zip(tmp_path / "b.zip", {"c.txt": b"three"}).read_bytes()
    (tmp_path / "a.zip").write_bytes(other + content)
    with pytest.raises(DataError, match=r"a\.zip: damaged, .*stands before it"):
        read_inputs(tmp_path / "a.zip")
    documents, read = read_so_far(tmp_path / "a.zip", on_error="skip")
    assert documents == [["one"], ["two"]]
    assert (read.counts.damaged_inputs, read.left_out) == (1, ["a.zip"])


@pytest.mark.parametrize("padding", [b"", bytes(1000)])
@pytest.mark.parametrize("comment", [b"", b"made by hand", b"x" * 65_000])
def test_a_zip_may_have_a_comment_and_padding(tmp_path, comment, padding):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.txt", "one")
        archive.comment = comment
    with (tmp_path / "a.zip").open("ab") as file:
        file.write(padding if len(comment) < 1000 else b"")  # else its end is not found
    assert read_inputs(tmp_path / "a.zip")[0] == [["one"]]


@pytest.mark.parametrize("ending", ARCHIVED)
@pytest.mark.parametrize("behind", [b"", bytes(512), bytes(102_400)])
def test_zeros_behind_an_archive_are_padding(tmp_path, ending, behind):
    content = write_tar(tmp_path / "plain", {"a.txt": b"one"}).read_bytes() + behind
    (tmp_path / f"a{ending}").write_bytes(ARCHIVED[ending](content))
    documents, counts = read_inputs(tmp_path / f"a{ending}", on_error="skip")
    assert (documents, counts.damaged_inputs) == ([["one"]], 0)


@pytest.mark.parametrize("ending", ARCHIVED)
@pytest.mark.parametrize("behind", [b"x", bytes(600) + b"text " * 20, b"x" * 512, b"x" * 30_000])
def test_other_bytes_behind_an_archive_are_damage(tmp_path, ending, behind):
    content = write_tar(tmp_path / "plain", {"a.txt": b"one"}).read_bytes() + behind
    (tmp_path / f"a{ending}").write_bytes(ARCHIVED[ending](content))
    with pytest.raises(DataError, match=rf"a\{ending}: damaged, "):
        read_inputs(tmp_path / f"a{ending}")
    documents, counts = read_inputs(tmp_path / f"a{ending}", on_error="skip")
    assert (documents, counts.damaged_inputs) == ([["one"]], 1)


@ARCHIVES
def test_members_without_a_telling_name_are_read_by_their_content(tmp_path, ending):
    members = {
        "AA/wiki_00": b"one\n",
        "c4.00000-of-01024.json.gz": gzip.compress(b'{"text": "two"}\n{"text": "three"}\n'),
        "x.ndjson": b'{"text": "four"}\n',
        "00001.json": b'{"caption": "of a picture"}',
        "settings.json": b'{\n  "text": "x"\n}\n',
        "blob": bytes(range(256)),
        "nested": write_tar(tmp_path / "nested", {"a.txt": b"x"}).read_bytes(),
        "LICENSE": b"words",
        "a.pdf": b"%PDF-1.4",
        ".git/HEAD": b"ref",
    }
    documents, counts = read_inputs(WRITE[ending](tmp_path / f"a{ending}", members))
    assert documents == [["one"], ["two"], ["three"], ["four"]]
    assert counts.passed_over == {".json": 2, "no ending": 3, ".pdf": 1, "companion": 1}
    assert (counts.files, counts.passed_over_members, counts.unreadable_files) == (3, 7, 0)
    left = set(members) - {"AA/wiki_00", "c4.00000-of-01024.json.gz", "x.ndjson"}
    assert counts.passed_over_bytes == sum(len(members[name]) for name in left)


@ARCHIVES
def test_members_that_turn_out_to_be_unreadable_late_are_counted(tmp_path, ending):
    no_csv = b'"' + b"x" * 100 + b"\n"
    path = tmp_path / f"a{ending}"
    members = {f"{n}.csv": no_csv if n < 2 else b"text\none\n" for n in range(40)}
    read = read_so_far(WRITE[ending](path, members), on_error="skip")[1]
    assert (read.counts.unreadable_files, read.counts.unreadable_members) == (2, 2)
    assert read.left_out == [f"a{ending}!0.csv", f"a{ending}!1.csv"]


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

"""Files that are no text but hold some, or hold none: what they are, and what makes text of them.

They are told by their first bytes. In a command FILE stands for the name of the file, when it is
decompressed.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from electra_cli.corpus.reading.faults import UnreadableError, with_name
from electra_cli.corpus.reading.naming import JSON_ENDINGS, kind_of

_PANDOC = "`pandoc -t plain -o FILE.txt FILE`"
_OFFICE_TABLE = "`soffice --headless --convert-to csv FILE`"
_OFFICE_SLIDES = "`soffice --headless --convert-to pdf FILE`, then `pdftotext` makes text of that"
_NO_TEXT = "leave it out: it holds no text"
_AS_LINES = "write its texts as JSON lines"
_WEIGHTS = "leave it out: it holds numbers, such as the weights of a model"
JSON_LINES = (
    "`jq -c 'if type == \"array\" then .[] else . end' FILE > FILE.jsonl` makes JSON lines of it"
)


@dataclass(frozen=True)
class Container:
    """A kind of file that no reader knows.

    Attributes:
      what: It is, in words.
      begins: How it begins; None if only its ending or what is in it tells.
      cure: What to do with it, with the command to type.
      endings: Of names of such files.
      is_text: Whether its bytes are text, of a sort, which --format can ask for.
    """

    what: str
    begins: re.Pattern[bytes] | None
    cure: str
    endings: tuple[str, ...] = ()
    is_text: bool = False


def _bytes(pattern: bytes) -> re.Pattern[bytes]:
    return re.compile(pattern, re.DOTALL)


def _markup(pattern: bytes) -> re.Pattern[bytes]:
    """With what may come before: white space, a declaration and comments."""
    before = rb"(?:\xef\xbb\xbf)?(?>\s+|<\?xml[^>]*>|<!--(?:(?!-->).)*-->)*"
    return re.compile(before + pattern, re.DOTALL | re.IGNORECASE)


_WORD = Container("a Word document", None, _PANDOC, (".docx", ".docm"))
_SHEET = Container("an Excel workbook", None, _OFFICE_TABLE, (".xlsx", ".xlsm"))
_SLIDES = Container("a PowerPoint presentation", None, _OFFICE_SLIDES, (".pptx",))
_EPUB = Container("an EPUB book", None, _PANDOC, (".epub",))
_OPEN_TEXT = Container("an OpenDocument text", None, _PANDOC, (".odt",))
_OPEN_SHEET = Container("an OpenDocument table", None, _OFFICE_TABLE, (".ods",))
_OPEN_SLIDES = Container("an OpenDocument presentation", None, _OFFICE_SLIDES, (".odp",))
_NPZ = Container(
    "an archive of NumPy arrays",
    None,
    f"{_AS_LINES}: `python -c 'import json, numpy, sys; [print(json.dumps("
    '{"text": str(text)})) for array in numpy.load(sys.argv[1]).values() for text in array.flat]'
    "' FILE > FILE.jsonl`",
    (".npz",),
)
_TORCH = Container("a PyTorch file", None, _WEIGHTS, (".pt", ".pth"))
_HTML = Container(
    "HTML",
    _markup(rb"<(?:!doctype\s+html|html[\s>]|head[\s>]|body[\s>])"),
    "`trafilatura < FILE > FILE.txt` takes the text out of its page",
    (".html", ".htm", ".xhtml", ".mhtml"),
    is_text=True,
)
_XML = Container(
    "XML",
    _bytes(rb"(?:\xef\xbb\xbf)?\s*<\?xml\s"),
    "`xmllint --xpath 'string(/)' FILE > FILE.txt` leaves the markup out; of a dump of MediaWiki "
    "`wikiextractor --json -o FOLDER FILE` takes the text",
    (".xml",),
    is_text=True,
)
_MARKUP = _bytes(rb"(?:\xef\xbb\xbf)?\s*<[A-Za-z!?]")

_CONTAINERS = (
    Container(
        "a PDF",
        _bytes(rb"(?:\xef\xbb\xbf)?\s*%PDF-\d"),
        "`pdftotext FILE FILE.txt` (scanned pages need `ocrmypdf FILE FILE` first)",
        (".pdf",),
    ),
    _HTML,
    Container(
        "a dump of MediaWiki",
        _markup(rb"<mediawiki[\s>]"),
        "`wikiextractor --json -o FOLDER FILE`, and give FOLDER",
        is_text=True,
    ),
    _XML,
    Container("RTF", _bytes(rb"\{\\rtf"), _PANDOC, (".rtf",), is_text=True),
    _WORD,
    _SHEET,
    _SLIDES,
    _EPUB,
    _OPEN_TEXT,
    _OPEN_SHEET,
    _OPEN_SLIDES,
    Container(
        "a file of an older Office",
        _bytes(rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        "`soffice --headless --convert-to txt:Text FILE`",
        (".doc", ".xls", ".ppt", ".msg"),
    ),
    Container(
        "an SQLite database",
        _bytes(rb"SQLite format 3\0"),
        "`sqlite3 -header -csv FILE 'SELECT text FROM TABLE' > FILE.csv`",
        (".sqlite", ".sqlite3", ".db"),
    ),
    Container(
        "a pickle",
        _bytes(rb"\x80[\x02-\x05][\x95(\]}cXq\x8c]"),
        f"{_AS_LINES}, if you trust it: `python -c 'import json, pickle, sys; [print(json.dumps("
        '{"text": text})) for text in pickle.load(open(sys.argv[1], "rb"))]\' FILE > FILE.jsonl`',
        (".pkl", ".pickle"),
    ),
    Container(
        "a NumPy array",
        _bytes(rb"\x93NUMPY"),
        f"{_AS_LINES}: `python -c 'import json, numpy, sys; [print(json.dumps("
        '{"text": str(text)})) for text in numpy.load(sys.argv[1]).flat]\' FILE > FILE.jsonl`',
        (".npy",),
    ),
    _NPZ,
    _TORCH,
    Container(
        "HDF5", _bytes(rb"\x89HDF\r\n"), f"{_AS_LINES}; `h5dump FILE` shows it", (".h5", ".hdf5")
    ),
    Container("safetensors", _bytes(rb".{5}\0\0\0\{\""), _WEIGHTS, (".safetensors",)),
    Container(
        "TFRecord",
        _bytes(rb".{3}\0\0\0\0\0.{4}\x0a"),
        f"{_AS_LINES} with `tf.data.TFRecordDataset`",
        (".tfrecord", ".tfrecords"),
    ),
    Container(
        "a pointer of Git LFS in place of the file",
        _bytes(rb"version https://git-lfs\.github\.com/spec/v\d\r?\n(?:oid |ext-|\Z)"),
        "`git lfs pull` in its folder fetches the file",
    ),
    Container("a 7z archive", _bytes(rb"7z\xbc\xaf\x27\x1c"), "unpack it: `7z x FILE`", (".7z",)),
    Container("a RAR archive", _bytes(rb"Rar!\x1a\x07"), "unpack it: `unrar x FILE`", (".rar",)),
    Container(
        "an image",
        _bytes(rb"\x89PNG\r?\n?|\xff\xd8\xff|GIF8[79]a|II\*\0|MM\0\*|RIFF.{4}WEBP|BM.{4}\0{4}"),
        "leave it out, or `tesseract FILE FILE` reads what is written on it",
        (".png", ".jpg", ".jpeg", ".gif", ".tif", ".tiff", ".webp", ".bmp"),
    ),
    Container(
        "sound or video",
        _bytes(
            rb"ID3[\x02-\x04]\0|\xff[\xfa\xfb\xf2\xf3]|.{4}ftyp|OggS\0|fLaC\0|RIFF.{4}(?:WAVE|AVI )"
            rb"|\x1aE\xdf\xa3"
        ),
        _NO_TEXT,
        (".mp3", ".mp4", ".wav", ".ogg", ".flac", ".avi", ".mkv", ".mov", ".m4a", ".webm"),
    ),
    Container(
        "JSON in which an object is more than a line, or none",
        re.compile(rb'(?:\xef\xbb\xbf)?\s*(?:\[\s*\{\s*"|\{\s*[\r\n]\s*"[^"\r\n]*"\s*:)'),
        JSON_LINES,
        JSON_ENDINGS,
        is_text=True,
    ),
)

_ANY = re.compile(
    b"|".join(
        (b"(?is:%b)" if container.begins.flags & re.IGNORECASE else b"(?s:%b)")
        % container.begins.pattern
        for container in _CONTAINERS
        if container.begins
    )
)


def check_is_none(head: bytes, name: str, label: str, *, text_too: bool) -> None:
    """Refuses what begins as one of them.

    Args:
      head: The beginning.
      name: Of the file, which of markup is believed: it may begin with any element.
      label: What errors call the file.
      text_too: Whether those are refused whose bytes are text.

    Raises:
      UnreadableError: It is one.
    """
    is_markup = text_too and _MARKUP.match(head)
    if not is_markup and not _ANY.match(head):  # as of almost every file
        return
    for container in _CONTAINERS:
        if container.is_text and not text_too:
            continue
        if container.begins and container.begins.match(head):
            raise _refused(container, label)
    for container in (_HTML, _XML):
        if is_markup and kind_of(name) in container.endings:
            raise _refused(container, label)


def check_is_no_zip_of(names: Collection[str], kind: bytes, label: str) -> None:
    """Refuses what is a zip only as its wrapping, such as a Word document.

    Args:
      names: Of the members.
      kind: The content of the member `mimetype`, if there is one.
      label: What errors call the file.

    Raises:
      UnreadableError: It is one.
    """
    if container := _in_zip(names, kind):
        raise _refused(container, label)


def cure_of(ending: str) -> str:
    """What to do with files of an ending; empty if nothing is known of it."""
    cures = (found.cure for found in _CONTAINERS if ending in found.endings)
    return next(cures, "")


def _in_zip(names: Collection[str], kind: bytes) -> Container | None:
    if "[Content_Types].xml" in names:
        for folder, container in (("word/", _WORD), ("xl/", _SHEET), ("ppt/", _SLIDES)):
            if any(name.startswith(folder) for name in names):
                return container
    for begin, container in (
        (b"application/epub", _EPUB),
        (b"application/vnd.oasis.opendocument.text", _OPEN_TEXT),
        (b"application/vnd.oasis.opendocument.spreadsheet", _OPEN_SHEET),
        (b"application/vnd.oasis.opendocument.presentation", _OPEN_SLIDES),
    ):
        if kind.startswith(begin):
            return container
    if names and all(name.endswith(".npy") for name in names):
        return _NPZ
    return _TORCH if any(name.endswith("/data.pkl") for name in names) else None


def _refused(container: Container, label: str) -> UnreadableError:
    hint = with_name(container.cure, label)
    if container.is_text:
        hint += "; --format txt reads it as it is"
    return UnreadableError(f"no reader for {label}: it is {container.what}", hint=hint)

"""Where something is: a path, or the URL of an object store as a text."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from electra_cli.errors import ConfigError
from electra_cli.files.remote.faults import ACCESS, shown

Place = Path | str

SCHEMES = ("s3", "gs", "az", "hf", "https", "http")
READ_FROM = ", ".join(f"{scheme}://" for scheme in SCHEMES if scheme != "http")

# What others call them.
_ALSO = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "az", "abfss": "az"}
# A path makes one slash of two. One letter before the colon is a Windows drive.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):(/+)(.*)", re.IGNORECASE | re.DOTALL)


def split_url(text: str) -> tuple[str, str, str] | None:
    """Scheme, slashes and the rest of what is a URL, or was one before it was made a path."""
    match = _URL.fullmatch(text)
    return (match[1], match[2], match[3]) if match else None


def is_url(text: str) -> bool:
    """Whether it is a URL of a store that can be read."""
    parts = split_url(text)
    return parts is not None and parts[0] in SCHEMES and parts[1] == "//" and parts[2] != ""


def place(given: Path | str) -> Place:
    """What was given as an input: the URL of a store, as it is, or a path.

    Raises:
      ConfigError: It is a URL of another kind, or has lost a slash.
    """
    text = str(given)
    parts = split_url(text)
    if parts is None:
        return Path(given)
    if is_url(text):
        check_user(text)
        return text
    scheme, _, rest = parts
    folder = f"a local folder that is really called so: $PWD/{shown(f'{scheme}:/{rest}')}"
    if scheme.lower() == "file":
        raise ConfigError(
            f"{shown(text)} is a URL of a local file", hint=f"give the path itself: /{rest}"
        )
    if scheme in SCHEMES:
        raise ConfigError(
            f"{shown(text)} is no URL: behind the colon stand two slashes, then a name",
            hint=f"{scheme}://{shown(rest) or 'BUCKET/FOLDER'}; {folder}",
        )
    usual = _ALSO.get(scheme.lower(), scheme.lower())
    instead = f"{usual}://{shown(rest)}, or " if usual in SCHEMES else ""
    raise ConfigError(
        f"{shown(f'{scheme}://{rest}')} is a URL, and of URLs only {READ_FROM} are read",
        hint=f"{instead}mount it, or copy it to a local folder and give that. {folder[0].upper()}"
        f"{folder[1:]}",
    )


def check_user(url: str) -> None:
    """Refuses a URL of a bucket with a password in it, which the library would take for its name.

    Raises:
      ConfigError: It has one.
    """
    scheme, _, rest = url.partition("://")
    if not _is_web(url) and re.match(r"[^/:]*:[^/]*@", rest):
        raise ConfigError(
            f"{shown(url)} has a password in it, which {scheme}:// does not take",
            hint=f"leave it out, and {ACCESS[scheme]}",
        )


def is_pattern(url: str) -> bool:
    """Whether a URL stands for all objects that fit it; a ? begins the query of a web address."""
    return _magic(url).search(url) is not None


def root_of(url: str) -> str:
    """The folder that the names of what a URL stands for are relative to, with a slash at its end.

    It is the folder of an object, the folder itself if the URL ends with a slash, and of a pattern
    the last folder that is named in full.
    """
    named = _magic(url).split(_without_query(url), maxsplit=1)[0]
    return named[: named.rfind("/") + 1]


def name_of(url: str, root: str) -> str:
    """What an object is called within a folder, which it has on a disk too."""
    name = _without_query(url).removeprefix(root)
    return unquote(name) if _is_web(url) else name


def _is_web(url: str) -> bool:
    return url.startswith(("https:", "http:"))


def _magic(url: str) -> re.Pattern[str]:
    return re.compile(r"[*\[]" if _is_web(url) else r"[*?\[]")


def _without_query(url: str) -> str:
    return re.split(r"[?#]", url, maxsplit=1)[0] if _is_web(url) else url

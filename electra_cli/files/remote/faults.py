"""What goes wrong with an object store: whether it passes, and what is said of it."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar

from electra_cli.errors import ElectraError, InputMissingError, OutputError, TryAgainError
from electra_cli.files.redaction import as_name, redacted

Result = TypeVar("Result")
Kind = Literal["missing", "refused", "wrong", "passing"]

MOST_TRIES = 8  # about a minute in all; one that got no answer in time counts twice
# Seconds until a try is given up, while nothing comes. After all is sent, what a slow line holds
# back is still on its way, and a store has to keep it.
CONNECT_TIMEOUT, READ_TIMEOUT, WRITE_TIMEOUT = 5, 15, 60
_SLOWEST = 2**17  # bytes a second that are worth waiting for while something is sent
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_LONGEST_REASON = 300

# Says on stderr what is tried again, in whatever process that is: a worker of a cluster has no
# other way.
_logger = logging.getLogger(__name__)
pause = time.sleep

_MISSING = (404, 410)
_REFUSED = (401, 403, 407)
# A conflict, a condition that no longer holds, a range that is no longer there, too many requests.
_PASSING = (408, 409, 412, 416, 425, 429)
# S3 answers these with 400: a body that was slow, or did not come as it was sent.
_PASSING_CODES = ("RequestTimeout", "IncompleteBody", "BadDigest", "XAmzContentSHA256Mismatch")
_CUT = ("PayloadError", "ContentLengthError", "IncompleteRead")
_TIMEOUTS = ("ReadTimeoutError", "ReadTimeout", "WriteTimeout")
_ONLY_URL = re.compile(r"\w+://\S*")
_OF_ACCESS = re.compile(r"credential|token|auth|profile", re.IGNORECASE)
_OF_SETTINGS = re.compile(r"Validation|Offline|UnsupportedProtocol|InvalidURL")
# Of our own programs; tried again they would only come again.
_BUGS = (TypeError, AttributeError, LookupError, NameError, AssertionError, MemoryError)

ACCESS = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a server that is "
    "not Amazon's AWS_ENDPOINT_URL too; for a public bucket FSSPEC_S3='{\"anon\": true}'",
    "gs": "run `gcloud auth application-default login`, or set "
    'GOOGLE_APPLICATION_CREDENTIALS=FILE.json; for a public bucket FSSPEC_GS=\'{"token": '
    '"anon"}\'',
    "az": "set AZURE_STORAGE_ACCOUNT_NAME, and AZURE_STORAGE_ACCOUNT_KEY or "
    "AZURE_STORAGE_SAS_TOKEN; for a public container AZURE_STORAGE_ANON=true",
    "hf": "run `hf auth login`, or set HF_TOKEN",
    "https": "give a signed link, or one with https://USER:PASSWORD@HOST/PATH",
    "http": "give a signed link, or one with http://USER:PASSWORD@HOST/PATH",
}


# What is to be looked at where something is not there.
_NAMED = {"az": "the container and the path", "hf": "the repository, its revision and the path",
          "https": "the address", "http": "the address"}  # fmt: skip


class NotFoundError(InputMissingError):
    """There is no such object, or no such bucket."""


class RefusedError(InputMissingError):
    """Nobody with these credentials may read there; it ends a command, unlike what is missing."""


def again(
    act: Callable[[], Result],
    what: str,
    url: str,
    *,
    writes: bool = False,
    is_listed: bool = False,
) -> Result:
    """Does something with a store, with growing waits between as many tries as it needs.

    Args:
      act: Does it; what it raises of our own errors is final.
      what: What is done, in words: "reading".
      url: Where.
      writes: Whether it changes the store.
      is_listed: Whether a listing has named the object, which then is somewhere: that it is not
        found passes.

    Raises:
      InputMissingError: It is not there, or access is refused.
      OutputError: The same, if it was to be written.
      TryAgainError: The store is out of reach or fails, for all tries.
    """
    tries = used = 0
    while True:
        tries += 1
        try:
            return act()
        except (ElectraError, *_BUGS):
            raise
        except Exception as error:
            kind = kind_of(error)
            passes = kind == "passing" or (kind == "missing" and is_listed)
            used += 2 if _is_timeout(error) else 1
            if not passes or used >= MOST_TRIES:
                # What a library says of its cause may hold a signature.
                raise _error(kind, error, what, url, tries=tries, writes=writes) from None
            wait = wait_before(used)
            _logger.warning(
                "warning: %s %s failed (%s); tried again in %.1f s",
                what,
                shown(url),
                _reason(error),
                wait,
            )
        pause(wait)


def wait_before(number: int) -> float:
    """Seconds to wait after the try of that number, at random so that not all come back at once."""
    return min(_FIRST_WAIT * 2 ** (number - 1), _LONGEST_WAIT) * random.uniform(0.5, 1.0)


def send_timeout(size: int) -> float:
    """Seconds that sending so many bytes may take."""
    return WRITE_TIMEOUT + size / _SLOWEST


def shown(url: str) -> str:
    """A URL as a part of a sentence: without password and signature."""
    return as_name(url)


def kind_of(error: BaseException) -> Kind:
    """What an error of one of the libraries means.

    They wrap the answers of servers in errors of their own. The number of the answer is in one of
    them, else the first error is the one that tells.
    """
    chain = list(_causes(error))
    if any(isinstance(each, TimeoutError) or _code(each) in _PASSING_CODES for each in chain):
        return "passing"
    # A body that was cut; the number that one of these has is not the server's.
    if any(type(each).__name__.endswith(_CUT) for each in chain):
        return "passing"
    status = next((found for each in chain if (found := _status(each))), None)
    if status is not None:
        if status in _MISSING:
            return "missing"
        if status in _REFUSED:
            return "refused"
        return "passing" if status in _PASSING or (status >= 500 and status != 501) else "wrong"
    first = chain[-1]
    if isinstance(first, FileNotFoundError):
        return "missing"
    # The library for gs:// says so without a number.
    is_forbidden = isinstance(first, PermissionError) or str(first).startswith("Forbidden")
    if is_forbidden or _OF_ACCESS.search(type(first).__name__):
        return "refused"
    is_wrong = isinstance(first, ValueError) or _OF_SETTINGS.search(type(first).__name__)
    return "wrong" if is_wrong else "passing"


def _is_timeout(error: BaseException) -> bool:
    """Whether a server that could be reached gave no answer."""
    return any(
        (isinstance(each, TimeoutError) or type(each).__name__ in _TIMEOUTS)
        and not type(each).__name__.startswith("Connect")
        for each in _causes(error)
    )


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


def _status(error: Any) -> int | None:
    """The number of the answer that the error tells of."""
    if type(error).__module__ == "aiohttp.http_exceptions":
        return None  # of an answer that is cut they have a number that nobody has sent
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # of S3
        return response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    for holder in (error, response):
        for name in ("status", "status_code", "code"):
            found = getattr(holder, name, None)
            if isinstance(found, int | str) and str(found).isdigit() and int(found) >= 300:
                return int(found)
    return None


def _code(error: Any) -> str | None:
    response = getattr(error, "response", None)
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _reason(error: BaseException) -> str:
    """What the libraries say, in one line, if it is more than the URL."""
    for each in _causes(error):
        text = redacted(" ".join(str(each).split()))
        if text and not _ONLY_URL.fullmatch(text):
            return text[:_LONGEST_REASON]
    return "no answer in time" if _is_timeout(error) else type(error).__name__


def _error(
    kind: Kind, error: BaseException, what: str, url: str, *, tries: int, writes: bool
) -> ElectraError:
    scheme, reason = url.partition(":")[0], _reason(error)
    final: type[ElectraError] = OutputError if writes else InputMissingError
    if kind == "missing":
        final = OutputError if writes else NotFoundError
        says_more = f" ({reason})" if not url.endswith(reason) else ""
        return final(
            f"not found: {shown(url)}{says_more}",
            hint=f"check {_NAMED.get(scheme, 'the bucket and the path')}; upper and lower case "
            "differ",
        )
    if kind == "refused":
        final = OutputError if writes else RefusedError
        return final(
            f"{what} {shown(url)} was refused: {reason}",
            hint=f"{ACCESS[scheme]}; if that is done, ask who owns the place for the right to "
            f"{'write' if writes else 'read'} there",
        )
    if kind == "wrong":
        return final(
            f"{what} {shown(url)} failed: {reason}",
            hint=f"check the URL and the settings of the store: {ACCESS[scheme]}",
        )
    return TryAgainError(
        f"{what} {shown(url)} failed {tries} times: {reason}",
        hint="run the same command again once the store is in reach; what is done is kept",
    )

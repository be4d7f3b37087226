"""What the errors of the libraries of stores mean, and that none of them tells a secret."""

from __future__ import annotations

import pytest

from electra_cli.errors import ElectraError, TryAgainError
from electra_cli.files.remote import faults


def of_status(number: int) -> ElectraError:
    error = ElectraError("")
    error.status = number  # type: ignore[attr-defined]
    return error


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def test_what_the_errors_of_libraries_mean() -> None:
    from aiohttp import ClientPayloadError
    from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
    from botocore.exceptions import ClientError, NoCredentialsError
    from gcsfs.retry import HttpError

    def of_s3(code: str, number: int) -> ClientError:
        answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": number}}
        return ClientError(answer, "GetObject")  # type: ignore[arg-type]

    for error, kind in [
        (FileNotFoundError("a"), "missing"),
        (PermissionError("a"), "refused"),
        (ConnectionResetError("a"), "passing"),
        (TimeoutError(), "passing"),
        (ValueError("a"), "wrong"),
        (ClientPayloadError("cut"), "passing"),
        (NoCredentialsError(), "refused"),
        (ClientAuthenticationError("a"), "refused"),
        (ServiceRequestError("a"), "passing"),
        (HttpError({"code": 429}), "passing"),
        (HttpError({"code": "401"}), "refused"),
        (OSError("Forbidden: b/a\nno access"), "refused"),
        (of_s3("SlowDown", 503), "passing"),
        (of_s3("RequestTimeout", 400), "passing"),
        (of_s3("ExpiredToken", 400), "wrong"),
        (of_s3("NotImplemented", 501), "wrong"),
        (of_status(404), "missing"),
        (of_status(410), "missing"),
        (of_status(403), "refused"),
        (of_status(418), "wrong"),
        (of_status(500), "passing"),
        # What the library for the web makes of all of them.
        (caused(FileNotFoundError("a"), of_status(503)), "passing"),
        (caused(FileNotFoundError("a"), ConnectionRefusedError("a")), "passing"),
        (caused(FileNotFoundError("a"), of_status(403)), "refused"),
        (caused(FileNotFoundError("a"), of_s3("404", 404)), "missing"),
    ]:
        assert faults.kind_of(error) == kind, repr(error)


def test_no_secret_is_told() -> None:
    signed = "https://user:hunter22hunter@host/a.txt?X-Amz-Signature=0123456789abcdef&x=1"
    error = OSError(f"cannot read {signed}")

    def fail() -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(faults, "pause", lambda seconds: None)
        with pytest.raises(TryAgainError) as caught:
            faults.again(fail, "reading", signed)
    for secret in ("hunter22", "0123456789"):
        assert secret not in caught.value.message
    assert "https://***@host/a.txt" in caught.value.message
    assert caught.value.__cause__ is None

"""A real S3 server on loopback, once a session, behind a proxy that fails where a test asks.

Workers are forked by a server that may have started long before: what leads them to the store is a
file whose place is known from the beginning.
"""

from __future__ import annotations

import atexit
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from electra_cli.files.remote import faults, libraries, store

KEY, SECRET = "electra-tests", "a-secret-of-the-tests"
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""
_numbers = itertools.count()  # tests in different files may have the same name
LISTING = r"list-type(?!.*max-keys=1)"  # not the question whether there is something
_HOP = ("connection", "transfer-encoding", "content-length")

_folder = tempfile.mkdtemp(prefix="electra-s3-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
_settings = Path(_folder) / "config"
os.environ |= {
    "AWS_CONFIG_FILE": str(_settings),
    "AWS_SHARED_CREDENTIALS_FILE": str(_settings),
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass
class Answer:
    """What goes back to the client; of one that is cut only half of the body."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool = False


Act = Callable[[Answer], Answer]


def status(number: int, code: str = "") -> Act:
    """Answers with an error instead."""
    body = f"<Error><Code>{code}</Code><Message>{code} for a test</Message></Error>" if code else ""
    return lambda answer: Answer(number, {"Content-Type": "application/xml"}, body.encode())


def cut(answer: Answer) -> Answer:
    """Ends the connection in the midst of the body."""
    return replace(answer, is_cut=True)


def unlisted(name: str) -> Act:
    """Leaves an object out of a listing."""
    item = re.compile(rf"<Contents>(?:(?!</Contents>).)*{re.escape(name)}.*?</Contents>", re.DOTALL)
    return lambda answer: replace(answer, body=item.sub("", answer.body.decode()).encode())


@dataclass
class Proxy:
    """Stands between the client and the server.

    Attributes:
      requests: What was asked for: method, path with query, range.
      acts: Method, pattern of the path, what is done, how often.
    """

    server: int
    url: str = ""
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    acts: list[list[Any]] = field(default_factory=list)

    def fail(self, method: str, path: str, act: Act, times: int = 1) -> None:
        """Does something with the next answers to such requests."""
        self.acts.append([method, re.compile(path), act, times])

    def asked(self, method: str, path: str = "") -> int:
        """How many such requests came."""
        return sum(m == method and re.search(path, p) is not None for m, p, _ in self.requests)

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        self.requests.append((method, path, headers.get("Range", "")))
        if f"Credential={KEY}/" not in headers.get("Authorization", ""):
            return status(403, "InvalidAccessKeyId")(Answer(0, {}, b""))
        connection = HTTPConnection("127.0.0.1", self.server)
        connection.request(method, path, body, headers)
        found = connection.getresponse()
        answer = Answer(found.status, dict(found.getheaders()), found.read())
        connection.close()
        for act in self.acts:
            if act[0] == method and act[1].search(path) and act[3] > 0:
                act[3] -= 1
                answer = act[2](answer)
                break
        return answer


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def _pass_on(self) -> None:
            headers = {name: value for name, value in self.headers.items() if name.lower()
                       not in (*_HOP, "expect")}  # fmt: skip
            answer = proxy.answer(self.command, self.path, headers, self._body())
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in (*_HOP, "date", "server"):
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            length = answer.headers.get("Content-Length", "0") if is_head else len(answer.body)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if not is_head:
                self.wfile.write(answer.body[: len(answer.body) // 2 if answer.is_cut else None])
            self.close_connection |= answer.is_cut

        def _body(self) -> bytes:
            if "chunked" not in self.headers.get("Transfer-Encoding", ""):
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            pieces = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                pieces.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(pieces)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _pass_on  # noqa: N815

        def log_message(self, *values: Any) -> None:
            pass

    return Handler


@dataclass
class S3:
    """A bucket of its own for a test.

    Attributes:
      bucket: Its URL, without a slash at the end.
      proxy: Through which everything goes.
      waits: The seconds that were waited between tries, in this process; none is.
    """

    bucket: str
    proxy: Proxy
    waits: list[float]

    def put(self, name: str, data: bytes | Path) -> str:
        """Makes an object; its URL."""
        url = f"{self.bucket}/{name}"
        store.Store("s3").write(url, data if isinstance(data, bytes) else data.read_bytes())
        return url

    def names(self) -> list[str]:
        """All objects in the bucket."""
        found = store.Store("s3").find(f"{self.bucket}/")
        return [entry.url.removeprefix(f"{self.bucket}/") for entry in found]


@pytest.fixture(scope="session")
def _s3_proxy() -> Iterator[Proxy]:
    # Its warnings are no errors of ours.
    server = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert server.stdin
    assert server.stdout
    proxy = Proxy(int(server.stdout.readline()))
    front = ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy))
    front.daemon_threads = True
    threading.Thread(target=front.serve_forever, args=(0.02,), daemon=True).start()
    proxy.url = f"http://127.0.0.1:{front.server_port}"
    _settings.write_text(
        f"[default]\naws_access_key_id={KEY}\naws_secret_access_key={SECRET}\n"
        f"region=us-east-1\nendpoint_url={proxy.url}\n"
    )
    yield proxy
    libraries.file_system.cache_clear()
    front.shutdown()
    front.server_close()
    server.stdin.close()
    server.wait()
    server.stdout.close()


@pytest.fixture
def s3(
    _s3_proxy: Proxy, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[S3]:
    """A bucket of its own, and no waiting between tries in this process."""
    waits: list[float] = []
    monkeypatch.setattr(faults, "pause", waits.append)
    test = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    name = f"{test[:50]}-{next(_numbers)}"
    _s3_proxy.acts.clear()
    libraries.file_system("s3", os.getpid()).mkdir(name)
    _s3_proxy.requests.clear()
    yield S3(f"s3://{name}", _s3_proxy, waits)
    _s3_proxy.acts.clear()

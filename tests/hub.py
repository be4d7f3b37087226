"""A Hugging Face Hub on loopback with one dataset: the few routes that reading asks for."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

NAME, TOKEN = "electra/texts", "hf_aSecretOfTheTests"
URL = f"hf://datasets/{NAME}"
_ROUTE = re.compile(rf"/(?:api/)?datasets/{NAME}(?:/(\w[\w-]*)/([^/]+)/?(.*))?")


@dataclass
class Hub:
    """The dataset.

    Attributes:
      endpoint: Of the server.
      files: Its files at the revision main, by name.
      requests: What was asked for: method, path.
      failures: Numbers of the answers to come, instead of what is asked for.
      is_private: Whether it asks for the token.
    """

    endpoint: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failures: list[int] = field(default_factory=list)
    is_private: bool = True

    def answer(self, path: str, token: str, asked: str) -> tuple[int, dict[str, str], bytes]:
        """Number, headers and body for a request that asks for a range of bytes, or for none."""
        found = _ROUTE.fullmatch(unquote(urlsplit(path).path))
        if self.failures:
            return self.failures.pop(0), {}, b""
        if self.is_private and token != f"Bearer {TOKEN}":
            return 401, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}'
        if found is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b'{"error": "Repository not found"}'
        route, revision, name = found.groups()
        if revision not in (None, "main"):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b'{"error": "no revision"}'
        if route in (None, "revision"):
            return 200, {}, json.dumps({"id": NAME, "sha": "1" * 40}).encode()
        if route == "tree":
            entries = self._tree(name, everything="recursive=true" in path.lower())
            if not entries:
                return 404, {"X-Error-Code": "EntryNotFound"}, b'{"error": "no such folder"}'
            return 200, {}, json.dumps(entries).encode()
        if name not in self.files:
            return 404, {"X-Error-Code": "EntryNotFound"}, b'{"error": "no such file"}'
        first, last = re.findall(r"\d+", asked)
        return 206, {}, self.files[name][int(first) : int(last) + 1]

    def _tree(self, folder: str, *, everything: bool) -> list[dict[str, object]]:
        begin = f"{folder}/" if folder else ""
        names = [name for name in self.files if name.startswith(begin)]
        folders = {
            begin + "/".join(parts[:depth])
            for parts in (name[len(begin) :].split("/") for name in names)
            for depth in range(1, len(parts))
        }
        entries: list[dict[str, object]] = [
            {"type": "directory", "path": path, "oid": "0" * 40} for path in folders
        ]
        for name in names:
            digest = hashlib.sha1(self.files[name]).hexdigest()
            size = len(self.files[name])
            entries.append({"type": "file", "path": name, "oid": digest, "size": size})
        deep = [one for one in entries if everything or "/" not in str(one["path"])[len(begin) :]]
        return sorted(deep, key=lambda one: str(one["path"]))


@contextmanager
def running() -> Iterator[Hub]:
    """A dataset without files; its endpoint has to be told to the library."""
    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            found.requests.append((self.command, self.path))
            token = self.headers.get("Authorization", "")
            number, headers, body = found.answer(self.path, token, self.headers.get("Range", ""))
            self.send_response(number)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    found.endpoint = f"http://127.0.0.1:{server.server_port}"
    try:
        yield found
    finally:
        server.shutdown()
        server.server_close()

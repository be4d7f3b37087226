"""The libraries that know the protocols of object stores, told to be patient as we are.

The extra `remote` brings them. They are imported where a URL is met, and each process has
connections of its own: theirs do not survive a fork.
"""

from __future__ import annotations

import functools
import importlib
import logging
import os
from collections.abc import Mapping
from types import MethodType
from typing import Any

from electra_cli.errors import ConfigError
from electra_cli.files.remote import faults
from electra_cli.files.remote.faults import again

# Schemes and the modules that know them.
_MODULES = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "az": "adlfs",
    "hf": "huggingface_hub",
    "https": "aiohttp",
    "http": "aiohttp",
}
_LOGGERS = ("fsspec", "s3fs", "aiobotocore", "botocore", "gcsfs", "azure")


def check_installed(scheme: str) -> None:
    """Imports what knows a scheme.

    Raises:
      ConfigError: It is not installed.
    """
    name = _MODULES[scheme]
    if scheme == "gs":  # for rare kinds of buckets it would begin with calls of another protocol
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
    try:
        importlib.import_module(name)
        importlib.import_module("fsspec")
    except ImportError as error:
        raise ConfigError(
            f"{scheme}:// needs {error.name or name}, which is not installed",
            hint="pip install '.[remote]'",
        ) from error


@functools.cache
def file_system(scheme: str, process: int, thread: int = 0, *, writes: bool = False) -> Any:
    """What the library for a scheme knows as a file system.

    Args:
      scheme: Of the store.
      process: Whose it is.
      thread: Whose it is, of those that cannot be shared.
      writes: Whether it waits as long as one has to after sending.

    Raises:
      ConfigError: The user's settings have a name that it does not know.
      InputMissingError: It cannot do with its settings.
    """
    check_installed(scheme)
    for name in _LOGGERS:  # what they say is said by us, without their tracebacks
        logging.getLogger(name).addHandler(logging.NullHandler())
    fsspec = importlib.import_module("fsspec")
    read = faults.WRITE_TIMEOUT if writes else faults.READ_TIMEOUT

    configured = importlib.import_module("fsspec.config").apply_config
    told = configured(fsspec.get_filesystem_class(scheme), {})

    def make() -> Any:
        options = _over(_options(scheme, read), told)
        no_caches = {"use_listings_cache": False, "skip_instance_cache": True}
        made = fsspec.filesystem(scheme, **options | no_caches)
        if scheme == "s3" and told:
            made.connect()  # which looks at them
        return made

    try:
        files = again(make, "connecting to", f"{scheme}://")
    except TypeError as error:
        raise ConfigError(
            f"the library for {scheme}:// does not take what fsspec was told: {error}",
            hint=f"correct FSSPEC_{scheme.upper()}, or what lies in ~/.config/fsspec",
        ) from error
    if scheme == "s3":
        files.retries = 1
    elif scheme == "gs":
        files._request = MethodType(type(files)._request.__wrapped__, files)
    elif scheme == "az":
        pipeline = files.service_client._pipeline
        pipeline._transport.connection_config.timeout = faults.CONNECT_TIMEOUT
        pipeline._transport.connection_config.read_timeout = read
        for policy in pipeline._impl_policies:
            if hasattr(policy, "total_retries"):
                policy.total_retries = 0
    elif scheme == "hf":
        _set_up_hub()
    return files


def _options(scheme: str, read: float) -> dict[str, Any]:
    """What a library is told: one timeout for all, and that of a large file two pieces go at once.

    Retries are ours, which are told of.
    """
    connect = faults.CONNECT_TIMEOUT
    if scheme == "s3":
        config = {"retries": {"total_max_attempts": 1}, "connect_timeout": connect}
        return {"config_kwargs": {**config, "read_timeout": read}, "max_concurrency": 2}
    if scheme == "az":
        return {"connection_timeout": connect, "read_timeout": read, "max_concurrency": 2}
    if scheme == "hf":
        return {}  # see _set_up_hub
    timeout = importlib.import_module("aiohttp").ClientTimeout(
        total=None, sock_connect=connect, sock_read=read
    )
    if scheme == "gs":
        return {"requests_timeout": timeout}
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}  # proxies


def _over(ours: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Our options with those that the user has told fsspec over them, name by name."""
    both = {
        name: _over(ours[name], value)
        for name, value in told.items()
        if isinstance(value, Mapping) and isinstance(ours.get(name), Mapping)
    }
    return {**ours, **told, **both}


def _set_up_hub() -> None:
    """Gives the library for hf:// limits where it would wait for ever; to try again is ours."""
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # it has a handler of its own
    http = importlib.import_module("huggingface_hub.utils._http")
    for act in (http.http_backoff, http.http_stream_backoff.__wrapped__):
        act.__kwdefaults__["max_retries"] = 0

    def limited(request: Any) -> None:
        read = faults.READ_TIMEOUT if request.method in ("GET", "HEAD") else faults.WRITE_TIMEOUT
        limits = {"connect": faults.CONNECT_TIMEOUT, "read": read, "write": faults.WRITE_TIMEOUT}
        given = request.extensions.get("timeout", {})
        request.extensions["timeout"] = limits | {k: v for k, v in given.items() if v is not None}

    def client() -> Any:
        made = http.default_client_factory()
        hooks = made.event_hooks
        made.event_hooks = {**hooks, "request": [*hooks["request"], limited]}
        return made

    http.set_client_factory(client)

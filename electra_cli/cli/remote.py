"""Options that name a URL: data that is copied before it is used, and the mirror of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from electra_cli.cli.screen.console import Terminal
from electra_cli.errors import ConfigError, OutputError, TryAgainError, counted
from electra_cli.files.remote.faults import shown
from electra_cli.files.remote.place import is_pattern, is_url, place

if TYPE_CHECKING:
    from electra_cli.corpus.shards.cached import RemoteData
    from electra_cli.corpus.shards.manifest import Manifest


@dataclass(frozen=True)
class Data:
    """What a run is to be trained on.

    Attributes:
      planned: The prepared folder, or the manifest of one whose rows may not be here yet; None if
        no option and no run names one.
      remote: Where its rows come from, if that is a URL.
    """

    planned: Path | Manifest | None
    remote: RemoteData | None = None

    def fetch(self, terminal: Terminal, *, dry_run: bool) -> None:
        """Copies rows that are not here yet; call it once all else has been checked.

        Args:
          terminal: What the command shows.
          dry_run: Only say so.

        Raises:
          ElectraError: What `RemoteData.fetch` raises.
        """
        if (data := self.remote) is None:
            return
        shards, size = len(data.manifest.shards), data.bytes
        told = f"{shown(data.url)}: {counted(shards, 'shard')}, {counted(size, 'byte')}"
        if data.is_there:
            terminal.note(f"{told}, is in {data.folder} already")
            if not dry_run:
                data.name_source()
        elif dry_run:
            terminal.note(f"{told}, would be copied to {data.folder}")
        else:
            terminal.note(f"{told}, is copied to {data.folder} (--cache-dir chooses another)")
            with terminal.progress("copying", 1.0) as bar:
                data.fetch(on_progress=bar.update, on_note=terminal.note)


def find_data(
    given: Path | str | None,
    cache_dir: Path | None,
    terminal: Terminal,
    *,
    is_recorded: bool,
    dry_run: bool,
) -> Data:
    """Finds the prepared data that an option or a run names; of a URL it copies no rows.

    Args:
      given: A folder or a URL.
      cache_dir: What --cache-dir has.
      terminal: What the command shows.
      is_recorded: A run names it, which may need no copy any more.
      dry_run: Copy nothing.

    Raises:
      ConfigError: --cache-dir without a URL, or a URL of another kind.
      OutputError: There is no folder for the copy.
      ElectraError: What `RemoteData` raises.
    """
    where = None if given is None else place(given)
    if not isinstance(where, str):
        if cache_dir is not None and not is_recorded:
            raise ConfigError(
                f"--cache-dir {cache_dir} is for data at a URL, and "
                + ("there is no --data" if where is None else f"{where} is a folder here"),
                hint="leave it out, or name --data URL",
            )
        return Data(where)
    from electra_cli.corpus.shards.cached import RemoteData
    from electra_cli.environment import cache_folder

    cache = cache_dir or cache_folder()
    if cache is None:
        raise OutputError(
            f"there is no place to copy {shown(where)} to: this user has no home folder",
            hint="--cache-dir FOLDER",
        )
    try:
        remote = RemoteData.at(where, cache)
    except TryAgainError as error:
        error.hint += "; a run that was begun with this data goes on with its copy without --data"
        raise
    if not dry_run:
        remote.fetch_vocabulary(on_note=terminal.note)
    return Data(remote.manifest, remote)


def check_folder(url: str | None, option: str) -> None:
    """Refuses what is no folder of a store that can be written; None passes.

    Raises:
      ConfigError: It is none, or what knows such stores is not installed.
    """
    if url is None:
        return
    from electra_cli.files.remote.store import Store

    if not is_url(url) or is_pattern(url) or url.startswith(("http:", "https:")):
        raise ConfigError(
            f"{option} {url}: expected the URL of a folder in an object store",
            hint=f"{option} s3://BUCKET/NAME; gs://, az:// and hf:// do too",
        )
    Store.of(url)


def restored(url: str | None, folder: Path, terminal: Terminal) -> None:
    """Makes the run folder of what its mirror holds, where there is no run yet.

    Raises:
      ElectraError: What `restore_run` raises.
    """
    if url is None:
        return
    from electra_cli.runs.mirror.restoring import restore_run
    from electra_cli.runs.run_folder import RunFolder

    restore_run(url, RunFolder(folder), on_note=terminal.note, on_warning=terminal.warn)


def check_upload(url: str | None, finished: Path, **fields: object) -> None:
    """Makes sure that prepared data can be copied to a URL, before anything is prepared.

    Args:
      url: What --upload has.
      finished: See `Upload.check`.
      fields: The same.

    Raises:
      ConfigError: It is no folder of a store.
      ElectraError: What `Upload.check` raises.
    """
    check_folder(url, "--upload")
    if url is not None:
        from electra_cli.corpus.shards.published import Upload

        Upload(url).check(finished, **fields)


def upload(url: str, manifest: Manifest, terminal: Terminal) -> None:
    """Copies a finished folder to a URL, and shows how far that is.

    Raises:
      ElectraError: What `Upload.send` raises.
    """
    from electra_cli.corpus.shards.published import Upload

    with terminal.progress("uploading", 1.0) as bar:
        sent = Upload(url).send(manifest, on_note=terminal.note, on_progress=bar.update)
    if not sent:
        terminal.note(f"{url} has all of it already")

"""TensorBoard: event files in the run folder, a folder for each kind of curves."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf
import yaml

from electra_cli.tracking.tracker import Outcome, TrackedRun


class TensorBoard:
    """Writes to RUN/tensorboard; a resumed run adds files to the same folders.

    Args:
      folder: RUN/tensorboard.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def start(self, run: TrackedRun) -> str:
        """Writes the configuration as text."""
        text = yaml.safe_dump({key: dict(values) for key, values in run.config.items()})
        self._text("configuration", 0, text)
        return ""

    def metrics(self, kind: str, step: int, values: Mapping[str, float]) -> None:
        """Adds a point to every curve of the folder of that kind, if its float32 can hold it."""
        with self._writer(kind).as_default(step=step):
            for name, value in values.items():
                if abs(value) <= float(tf.float32.max):
                    tf.summary.scalar(name, value)
        self._writers[kind].flush()

    def finding(self, step: int, name: str, text: str, *, begins: bool) -> None:
        """Writes a text."""
        self._text(f"finding/{name}", step, f"{'begins' if begins else 'ends'}: {text}")

    def report(self, path: Path, step: int) -> None:
        """Does nothing: TensorBoard has no place for a page."""

    def end(self, outcome: Outcome) -> None:
        """Closes the event files."""
        for writer in self._writers.values():
            writer.close()

    def _writer(self, kind: str) -> tf.summary.SummaryWriter:
        if kind not in self._writers:
            self._writers[kind] = tf.summary.create_file_writer(str(self._folder / kind))
        return self._writers[kind]

    def _text(self, name: str, step: int, text: str) -> None:
        # Four blanks make Markdown show it as it is.
        indented = "\n".join(f"    {line}" for line in text.splitlines())
        with self._writer("text").as_default(step=step):
            tf.summary.text(name, indented)
        self._writers["text"].flush()

"""Keys of the configuration in which runs differ."""

from __future__ import annotations

from collections.abc import Sequence

from electra_cli.config.schema import leaf_fields
from electra_cli.config.values import written
from electra_cli.report.record import RunRecord


def differences(records: Sequence[RunRecord]) -> list[tuple[str, list[str]]]:
    """Compares the configurations of runs.

    Args:
      records: Any number of them; one differs from nothing.

    Returns:
      Each key in which not all are the same, in the order of the schema, with the value of each
      run as one would write it.
    """
    found = []
    for key in leaf_fields():
        section, _, name = key.partition(".")
        values = [getattr(getattr(record.config, section), name) for record in records]
        if any(value != values[0] for value in values):
            found.append((key, [written(value) for value in values]))
    return found

"""Ids as bytes and back, for tests that think in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def ids_in(data: bytes) -> list[int]:
    """The numbers that 16-bit ids stand for."""
    return np.frombuffer(data, "<u2").tolist()


def as_bytes(ids: Sequence[int]) -> bytes:
    """Numbers as 16-bit ids."""
    return np.array(ids, "<u2").tobytes()

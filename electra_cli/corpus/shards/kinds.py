"""Words of a manifest that the command line offers too; read without NumPy."""

from __future__ import annotations

from typing import Literal

# How rows are made of documents.
Packing = Literal["reference", "full"]

"""What is kept in files of JSON."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """The content of a file of JSON, or a part of it: never changed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

"""Files of JSON: what ours hold, and reading those of others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from electra_cli.errors import DataError, InputMissingError


class Record(BaseModel):
    """The content of a file of JSON, or a part of it: never changed, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def read_json(path: Path, *, hint: str) -> dict[str, Any]:
    """The object in a file that may come from anywhere.

    Args:
      path: The file.
      hint: What to do about a file that cannot be used.

    Raises:
      InputMissingError: It cannot be opened.
      DataError: It is no JSON object.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputMissingError(f"{path} cannot be read ({error.strerror})", hint=hint) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is not valid JSON ({error})", hint=hint) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is no JSON object", hint=hint)
    return content

"""Whether rows say where documents end, for attention that stays within them."""

from __future__ import annotations

from electra_cli.corpus.shards.manifest import Manifest
from electra_cli.errors import DataError


def check_documents(manifest: Manifest, *, otherwise: str = "") -> None:
    """Refuses rows in which a [SEP] is no end of a document.

    Args:
      manifest: Of the rows that a model with `model.document_attention` is to read.
      otherwise: What else than to prepare the data again the hint offers, beginning with "; or".

    Raises:
      DataError: The rows are packed as the reference does it: each is of one document, and its
        first [SEP] stands between two segments.
    """
    if manifest.packing == "full":
        return
    raise DataError(
        "model.document_attention takes each [SEP] for the end of a document, and "
        f"{manifest.folder} was prepared with --packing {manifest.packing}, whose rows are of one "
        "document with a [SEP] in it",
        hint="electra prepare-data INPUT --packing full --sequence-length "
        f"{manifest.sequence_length} --output DIR, then --data DIR{otherwise}",
    )

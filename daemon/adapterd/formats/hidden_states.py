"""The files of the hidden-state cache, as far as they are read without MLX: of which feedback records they are."""

import json
from collections.abc import Iterable
from pathlib import Path

RECORDS = "records"
MAX_HEADER_BYTES = 1 << 20


def metadata_of(records: Iterable[str]) -> dict[str, str]:
    """The metadata of a file: the content hashes of the records whose examples it was computed for."""
    return {RECORDS: " ".join(sorted(records))}


def records_in(path: Path) -> frozenset[str] | None:
    """The content hashes that a file names; None for one of an earlier release, or one that cannot be read.

    A safetensors file begins with the length of its header, 8 bytes, little-endian, and the header, which is JSON.
    """
    try:
        with path.open("rb") as file:
            size_bytes = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size_bytes, MAX_HEADER_BYTES)))
        return frozenset(header["__metadata__"][RECORDS].split())
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None

"""How quickly plain records of several formats are taken in: `bench.ingest` with files of each."""

from typing import Any

from bench.ingest import SHAPES, ingest_rate

RECORDS, FILES = 120_000, 1_200


def ingest() -> dict[str, Any]:
    """Records per second on the wall and of processor time, and the peak memory of the two processes that store and
    read them."""
    measured = ingest_rate(RECORDS, FILES, shapes=list(SHAPES))
    return {"formats": list(SHAPES), **measured, "records_per_cpu_s": round(RECORDS / measured["cpu_s"])}

"""How quickly plain records of several formats are taken in: `bench.ingest` with files of each."""

from statistics import median_low
from typing import Any

from bench.ingest import SHAPES, ingest_rate

RECORDS, FILES, RUNS = 120_000, 1_200, 5


def ingest() -> dict[str, Any]:
    """The run of median speed of five, each with a new inbox and a new home; the speeds of all beside it."""
    runs = [ingest_rate(RECORDS, FILES, shapes=list(SHAPES)) for _ in range(RUNS)]
    speeds = [run["records_per_s"] for run in runs]
    middle = runs[speeds.index(median_low(speeds))]
    per_cpu_s = round(middle["records"] / middle["cpu_s"])
    return {"formats": list(SHAPES), **middle, "records_per_cpu_s": per_cpu_s, "runs": speeds}

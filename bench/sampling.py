"""What a sample costs in quality: `python -m bench.sampling --data FOLDER`, kept in bench/recipe.json.

A first night on 3,000 records with their named entities (WNUT-17, bench/recipe_sets.py), on SmolLM2 through a real
Ollama: once with time for all of them, and once with `training.max_hours` so short that it learns from a sample. The
cases that judge are the same. A night that is there already is left out.
"""

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bench import results
from bench.first_night import FILE, first_night
from bench.recipe_sets import SETS

KEY = "sampling"
RECORDS = 3_000
NIGHTS = {"sample": "training.max_hours=0.25", "all": "training.max_hours=6"}
SETTINGS = (
    "merging.steps=0", "merging.min_retention=0.5", "evaluation.guard=false",
    "evaluation.reference_nll=false", "evaluation.latency_questions=0", "evaluation.consistency_seeds=0",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure what is not measured yet, and keep it."""
    parser = argparse.ArgumentParser(prog="python -m bench.sampling", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="where wnut17 is")
    which = replace(SETS["wnut17"], examples=RECORDS)
    records = which.taken(parser.parse_args(arguments).data)
    assert len(records) == RECORDS
    done = results.read(FILE).get(KEY, {})
    with tempfile.TemporaryDirectory() as answers:
        for name, hours in NIGHTS.items():
            if name not in done:
                done[name] = first_night(which, records, (*SETTINGS, hours), Path(answers))
                print(json.dumps({name: done[name]}), flush=True)
                results.write({KEY: done}, FILE)


if __name__ == "__main__":
    main()

"""What each part of the recipe is worth: `python -m bench.ablation`, kept in bench/recipe.json.

First nights as in `bench.first_night`, with one part left out, on two of its sets, with two seeds each. One that is
there already is left out, so that a measurement that was stopped goes on. What says nothing of the parts is left out:
the merge is not distilled, and what the base answers is asked once. So no night's length is kept, but that of its
training, and scores are a little lower than those of whole nights.
"""

import json
from typing import Any

from bench import results
from bench.first_night import FILE, first_night
from bench.models import cache_folder
from bench.recipe_sets import SETS, RecipeSet

KEY = "ablation"
MOST = 100
SEEDS = (0, 1)
CHOSEN = ("minutes", "classes")
PARTS: dict[str, tuple[str, ...]] = {
    "all": (),
    "no replay": ("dataset.replay=0",),
    "chosen by the loss": ("training.judged_prompts=0",),
    "no corrections": ("training.correction_rounds=0",),
    "three epochs": ("training.epochs=3",),
}
"""What is left out, by the settings that leave it out. Corrections need the choice by answers."""

BRIEFLY = (
    "evaluation.consistency_seeds=0", "evaluation.latency_questions=0", "evaluation.reference_nll=false",
    "merging.steps=0", "merging.min_retention=0.5",
)  # fmt: skip
KEPT = ("primary", "json_valid", "truncated", "guard_before", "guard", "state", "steps")


def measured(which: RecipeSet, settings: tuple[str, ...], seed: int) -> dict[str, Any]:
    """One first night with these settings, of at most `MOST` examples, and how long its training took."""
    records = which.taken(None)[:MOST]
    changes = (*settings, *BRIEFLY, f"training.seed={seed}")
    found = first_night(which, records, changes, cache_folder() / "ablation-answers")
    return {name: found[name] for name in KEPT} | {"training_s": found["seconds"]["training"]}


def main() -> None:
    """Measure what is not measured yet, and keep it."""
    done: dict[str, dict[str, dict[str, Any]]] = results.read(FILE).get(KEY, {})
    for seed in SEEDS:
        for name in CHOSEN:
            for part, settings in PARTS.items():
                runs = done.setdefault(name, {}).setdefault(part, {})
                if str(seed) not in runs:
                    runs[str(seed)] = measured(SETS[name], settings, seed)
                    print(json.dumps({name: {part: {seed: runs[str(seed)]}}}), flush=True)
                    results.write({KEY: done}, FILE)


if __name__ == "__main__":
    main()

"""What a yield calls the examples that each filter drops: `118 not by the schema`."""

from adapterd.store.teaching.examples import BY_PERSON

FORM = "form"
"""What drops an answer without the form that was asked for, before any filter sees it."""
SAID = {
    "complete": "not complete",
    "schema": "not by the schema",
    "grounded": "not grounded",
    "refusal": "wrong refusals",
    "copied": "copied",
    "duplicate": "duplicates",
    "near_duplicate": "near-duplicates",
    "near_frozen": "near a frozen set",
    "contradiction": "contradicted",
    "agreement": "without agreement",
    BY_PERSON: "dropped by people",
}
"""In the order in which filters are applied; what people say comes last."""

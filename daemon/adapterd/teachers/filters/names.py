"""What a yield calls the examples that each filter drops: `118 not by the schema`."""

from adapterd.store.teaching.examples import BY_PERSON, JUDGE

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
    JUDGE: "below the judge's score",
    BY_PERSON: "dropped by people",
}
"""In the order in which filters are applied; what people say comes last."""

"""The files in the folder of a run, `runs/ID/`."""

PLAN = "plan.json"
RECORDS = "records.jsonl"
RESULTS = "results.json"
GIVEN = "given"
"""The folder of an adapter that was given."""
CANDIDATE = "candidate.gguf"

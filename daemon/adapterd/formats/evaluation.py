"""`evaluation.json` and `answers/`: what a version's evaluation leaves in its folder, and its report is made of."""

from adapterd.formats.json_files import JsonFile

EVALUATION = JsonFile(
    "evaluation.json",
    required=("decision", "reason", "findings", "scores", "baselines", "comparisons", "evaluation_hash"),
    optional=("left_out", "notes"),
)
"""`left_out` are cases that could not be asked, `notes` say what else was not measured. Both were added later."""
ANSWERS, FROZEN = "answers", "frozen.jsonl"
"""The folder of all answers, and in it the file of those to the frozen evaluation set."""

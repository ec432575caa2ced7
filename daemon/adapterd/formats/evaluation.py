"""`evaluation.json` and `answers/`: what a version's evaluation leaves in its folder, and its report is made of."""

from dataclasses import dataclass

from adapterd.formats.json_files import JsonFile

EVALUATION = JsonFile(
    "evaluation.json",
    required=("decision", "reason", "findings", "scores", "baselines", "comparisons", "evaluation_hash"),
    optional=("left_out", "bridge", "notes", "differences"),
)
"""`left_out` are cases that could not be asked, `notes` say what else was not measured; there is a `bridge` where the
set had grown. `differences` say by case and metric how much better than live's the answer is. All were added later."""
ANSWERS, FROZEN = "answers", "frozen.jsonl"
"""The folder of all answers, and in it the file of those to the frozen evaluation set."""


@dataclass(frozen=True)
class Bridge:
    """What is `live`, by its version, scores on the cases of an evaluation set before it grew, and on all, by the
    primary `metric`; None where that has no value. Of the `cases` that were asked, `new` had joined."""

    live: str
    cases: int
    new: int
    metric: str
    before: float | None
    now: float | None

    def sentence(self, number: int | None = None) -> str:
        """`52 cases, 12 new: live (1.2.0) has field_f1 0.871 on the cases of set 1, 0.862 on all`; `number` is that of
        the set before, if it is known."""
        former = f"set {number}" if number else "the set before"
        of_live = f"live ({self.live}) has {self.metric} {_shown(self.before)} on the cases of {former}"
        return f"{self.cases} cases, {self.new} new: {of_live}, {_shown(self.now)} on all"


def _shown(value: float | None) -> str:
    return "no value" if value is None else f"{value:.3f}"

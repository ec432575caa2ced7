"""The metric `ungrounded`: what an answer says that its prompt does not, without anybody who judges."""

from adapterd.chat import Answer, without_thought
from adapterd.evaluation.metrics.chart import HABITS
from adapterd.evaluation.metrics.grounding.checked import Support, check, ground_of
from adapterd.evaluation.metrics.metric import Better, Question, mean_of


def _share_missing(question: Question, answer: Answer) -> float | None:
    """What the reference says too is right, wherever it is from."""
    said = tuple(each.content for each in question.messages)
    found = check(without_thought(answer.text), ground_of((*said, question.reference)))
    return sum(each.support is Support.MISSING for each in found) / len(found) if found else None


UNGROUNDED = mean_of(
    "ungrounded", "numbers, names, quotations and citations of an answer that neither its prompt nor the reference "
    "has, of all in it; a number that may follow from others counts as there", _share_missing, better=Better.LOWER,
    chart=HABITS.place(),
)  # fmt: skip

"""What the base says to general prompts, which are trained on against forgetting."""

from adapterd.chat import Prompt
from adapterd.dataset.replay.replay import ANSWER_TOKENS, MOST_EPOCHS, BaseAnswer, Replay
from adapterd.runs.stage import Job
from adapterd.runs.tag_evaluation import Evaluator


def replay_of(job: Job) -> Replay | None:
    """How they are asked of the base in a run, if any are."""
    share = job.plan.made_with.dataset.replay
    if job.plan.given or share == 0:
        return None
    evaluator, tag = Evaluator(job.home, job.runtime, job.plan.settings, job.plan.base.gguf), job.plan.base.tag
    digest = job.runtime.tags().get(tag, job.plan.base.digest)
    asker = evaluator.asker(tag, digest, num_predict=ANSWER_TOKENS, free=True)

    def ask(prompt: Prompt) -> BaseAnswer:
        answer = asker(prompt)
        return BaseAnswer(answer.text, complete=not answer.truncated)

    return Replay(share, ask, job.plan.made_with.training.epochs or MOST_EPOCHS)

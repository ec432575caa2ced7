"""adapterctl triage --ask"""

from typing import TYPE_CHECKING

from adapterctl.output import StageProgress, Styled, ask, emit_json, say, table

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.insight.asked_triage import AskedTriage, Cost

SECONDS_PER_MINUTE = 60


def triage_by_asking(app: "App", model: str, size: int, *, yes: bool, as_json: bool) -> None:
    """Tell what asking takes, ask whether to, let the base answer, and show what its answers say."""
    from adapterd.insight.asked_triage import BaseTriage
    from adapterd.serving.runtimes import runtime_for

    runtime = runtime_for(app.settings, app.home)
    sample = BaseTriage(app.store, app.home, app.settings, runtime, model).sample(size)
    cost = sample.cost()
    if cost.questions:
        say(_in_words(cost, sample.tag), err=True)
        if not yes:
            ask("Ask them?")
    with StageProgress(quiet=as_json) as progress:
        found = sample.measure(lambda share, **more: progress("asking", {"share": share, **more}))
    if as_json:
        emit_json({**vars(found), "cost": cost})
    else:
        _show(found)


def _in_words(cost: "Cost", tag: str) -> str:
    each = f"answers of at most {cost.answer_tokens:,} tokens each"
    told = f"{tag} has {cost.questions} questions to answer: {cost.prompt_tokens:,} tokens of prompts, {each}"
    if cost.seconds is None:
        return told
    minutes = cost.seconds / SECONDS_PER_MINUTE
    took = f"about {minutes:.0f} min" if minutes >= 1 else f"about {max(1, round(cost.seconds))} s"
    return f"{told}; {took}, as one took {cost.seconds / cost.questions:.1f} s. What is answered is kept"


def _show(found: "AskedTriage") -> None:
    from adapterd.dataset.left_out import summary

    rows = [(name, f"{value:.3f}", found.by_metric[name]) for name, value in found.metrics.items()]
    table(["METRIC", "THE BASE", "ANSWERS THAT FAIL"], rows, empty="no metric applies")
    say()
    if found.no_room:
        say(f"{found.no_room} answers were cut where the example's own would be: raise evaluation.num_predict")
    if found.ungrounded:
        say(
            f"{found.ungrounded} answers have a number, name or quotation that neither prompt nor example has: perhaps "
            "hallucination, which counts in no figure"
        )
    if found.left_out:
        say(summary(found.left_out, "left out, as they cannot be asked or measured"))
    say(Styled(found.advice, "green" if found.worth_training else "yellow"))

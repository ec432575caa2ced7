"""adapterctl review"""

from typing import TYPE_CHECKING

import click

from adapterctl.output import Styled, choose, emit_json, examples, fields, json_option, name_argument, say, say_lines

if TYPE_CHECKING:
    from adapterctl.app import App
    from adapterd.review.frame import Frame
    from adapterd.review.queue import Item, Queue
    from adapterd.review.verdicts import Verdict

KEYS = "1 to 5 rates, e edits the answer, s skips, u undoes the last, q ends"


@click.command(epilog=examples("adapterctl review", "adapterctl review newsbrief-synth", "adapterctl review --json"))
@name_argument
@json_option
def review(name: str | None, as_json: bool) -> None:
    """Judge captured answers one by one, as the page does; with --json tell only what comes next.

    Every third answer is chosen by chance, so that the share of answers that fail can be estimated; the others are
    those that may teach most. What is said becomes feedback at once.
    """
    from adapterctl.app import App
    from adapterd.capture.captures import Captures
    from adapterd.errors import NotFoundError
    from adapterd.review.frame import Frame

    app = App()
    name = app.model(name)
    if not app.home.captures.is_file():
        raise NotFoundError("no answer is captured yet", hint="adapterctl capture on")
    with Captures(app.home.captures) as captures:
        frame = Frame.of(app.store, captures, name)
        if as_json:
            _tell_next(app, frame)
            return
        say(KEYS)
        while _judge_next(app, frame):
            pass


def _tell_next(app: "App", frame: "Frame") -> None:
    from adapterd.review.queue import Queue

    queue = Queue.of(frame, app.model_settings(frame.model))
    item, failing = queue.next(), queue.failing
    low, high = failing.interval
    share = {"count": failing.count, "of": failing.of, "low": low, "high": high}
    told = (
        {"capture": item.capture, "slice": item.slice, "why": item.why, "suggested": queue.suggested(item)}
        if item
        else None
    )
    emit_json({"judged": len(queue.reviews), "failing": share, "next": told})


def _judge_next(app: "App", frame: "Frame") -> bool:
    """Show an answer and keep what is said of it; returns whether to go on."""
    from adapterd.review.queue import Queue
    from adapterd.review.verdicts import undo_last

    queue = Queue.of(frame, app.model_settings(frame.model))
    item = queue.next()
    if item is None:
        say("nothing is left to be judged")
        return False
    _show(queue, item)
    said = choose([*"12345", "e", "s", "u", "q"])
    if said == "q":
        return False
    if said == "u":
        undo_last(app.store, frame.model)
        return True
    _keep(frame, item, said)
    return True


def _show(queue: "Queue", item: "Item") -> None:
    say()
    say(Styled(f"{len(queue.reviews) + 1}. {item.why}", bold=True))
    for turn in item.capture.turns:
        say(Styled(turn["role"], "cyan"))
        say_lines(turn.get("content", ""), indent=2)
    say(Styled("answer", "cyan"))
    say_lines(item.capture.answer, indent=2)
    fields([("suggested", queue.suggested(item)), ("fails", queue.failing)])


def _keep(frame: "Frame", item: "Item", said: str) -> None:
    from adapterd.review.verdicts import Verdict, give

    if said == "s":
        verdict: Verdict | None = Verdict()
    elif said == "e":
        verdict = _edited(item)
    else:
        verdict = Verdict(rating=int(said))
    if verdict is not None:
        give(frame, item, verdict)


def _edited(item: "Item") -> "Verdict | None":
    """What the editor leaves; None where nothing was changed."""
    from adapterd.review.verdicts import Verdict

    text = click.edit(item.capture.answer)
    if text is None or text.strip() in ("", item.capture.answer.strip()):
        say("nothing was changed")
        return None
    return Verdict(correction=text.strip())

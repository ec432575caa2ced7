"""What of faults in a teacher's examples do the filters catch, and what of good ones do they cost?

Faults of many kinds are planted among at least as many good examples; the texts that are reported were written apart
from those that the rules were chosen by (`bench/teachers_texts.py`). `python -m bench.teachers_filters` measures and
writes; `--train` shows the other texts, `--show` what was decided wrongly.
"""

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from adapterd.chat import Message, Prompt, Role
from adapterd.config import Task
from adapterd.evaluation.metrics.json_answers.schema import JsonSchema
from adapterd.teachers.filters.chain import sift
from adapterd.teachers.filters.verdict import Against, Known
from adapterd.teachers.request import Candidate, Kind
from bench import results
from bench.leaks_texts import LANGUAGES
from bench.teachers_held_out import HELD_OUT
from bench.teachers_texts import TRAIN, Topic

FILE = Path(__file__).parent / "teachers.json"
ROUNDS = 5
SCHEMA = {
    "type": "object",
    "properties": {
        "person": {"type": "string"}, "count": {"type": "integer"}, "year": {"type": "integer"},
        "topic": {"enum": ["industry", "culture", "travel"]}, "relevance": {"type": "integer"},
    },
    "required": ["person", "count", "year", "topic"], "additionalProperties": False,
}  # fmt: skip
_DIGITS = {"ar": "٠١٢٣٤٥٦٧٨٩", "hi": "०१२३४५६७८९", "th": "๐๑๒๓๔๕๖๗๘๙"}
OTHER_SCRIPTS = ("ru", "ar", "ja", "en", "hi", "ko")
"""The languages of the near-frozen prompts that are reported."""
_REFUSES = ("en", "de", "fr")


@dataclass(frozen=True)
class Made:
    """A candidate, and the fault that it has; empty for a good one, whose `what` says of which sort it is."""

    candidate: Candidate
    fault: str
    what: str = ""


@dataclass(frozen=True)
class Facts:
    """What fills the blanks of a topic."""

    person: tuple[str, str]
    place: str
    many: int
    some: int
    year: int
    quote: str

    def fill(self, text: str, topic: Topic, draw: random.Random) -> str:
        """The text with the blanks filled, numbers in one of the ways that the language writes them."""
        mark = draw.choice(topic.thousands)
        many = f"{self.many:,}".replace(",", mark)
        values = {"n": many, "m": str(self.some), "y": str(self.year)}
        if topic.code in _DIGITS and draw.random() < 0.4:
            table = str.maketrans("0123456789", _DIGITS[topic.code])
            values = {name: value.translate(table) for name, value in values.items()}
        return text.format(p=self.person[0], s=self.person[1], c=self.place, quote=self.quote, **values)


def facts(topic: Topic, draw: random.Random) -> Facts:
    """Some for a passage."""
    return Facts(
        draw.choice(topic.persons), draw.choice(topic.places), draw.randrange(1201, 9900) * 10 + draw.randrange(1, 10),
        draw.randrange(23, 90), draw.randrange(1910, 2000), topic.quote,
    )  # fmt: skip


def _other(topic: Topic, own: Facts, draw: random.Random, blank: str) -> Facts:
    """The same with one of them wrong."""
    if blank in "ps":
        return replace(own, person=draw.choice([each for each in topic.persons if each != own.person]))
    if blank == "n":
        return replace(own, many=own.many + draw.choice((-1, 1)) * draw.randrange(111, 1190))
    if blank == "m":
        return replace(own, some=own.some + draw.choice((-1, 1)) * draw.randrange(3, 12))
    return replace(own, year=own.year + draw.choice((-1, 1)) * draw.randrange(2, 9))


def _grounded(topic: Topic, own: Facts, said: str, draw: random.Random, *, question: str = "") -> Candidate:
    source = own.fill(topic.source, topic, draw)
    asked = question or draw.choice(topic.questions)
    messages = (Message(Role.USER, f"[{topic.code}-1] {source}\n\n{asked}"),)
    return Candidate(Kind.GROUNDED, "t", messages, f"{said} [{topic.code}-1]", sources=(source,),
                     source_ids=(f"{topic.code}-1",))  # fmt: skip


def good(topics: Sequence[Topic], draw: random.Random) -> Iterator[Made]:
    """Good answers of seven kinds: short, rephrased, long, quoting, on two sources, refusing, mended and varied."""
    for topic in topics:
        for answer in topic.answers:
            own = facts(topic, draw)
            yield Made(_grounded(topic, own, own.fill(answer, topic, draw), draw), "", "grounded")
        own = facts(topic, draw)
        yield Made(_grounded(topic, own, own.fill(topic.quoting, topic, draw), draw), "", "quoting")
        own = facts(topic, draw)
        whole = " ".join(own.fill(each, topic, draw) for each in (*topic.answers[1:], topic.quoting))
        yield Made(_grounded(topic, own, whole, draw), "", "long")
        yield Made(_synthesis(topic, draw), "", "synthesis")
        own = facts(topic, draw)
        answer = own.fill(draw.choice(topic.answers), topic, draw)
        prompt = (Message(Role.USER, f"{draw.choice(topic.questions)}\n\n{own.fill(topic.source, topic, draw)}"),)
        yield Made(
            Candidate(draw.choice((Kind.ANSWER, Kind.REPAIR, Kind.VARIATION)), "t", prompt, answer), "", "prompt"
        )
        if topic.code in _REFUSES:
            own = facts(topic, draw)
            refused = replace(_grounded(topic, own, "", draw), kind=Kind.REFUSAL, answer=topic.refusal)
            yield Made(refused, "", "refusal")


def _synthesis(topic: Topic, draw: random.Random) -> Candidate:
    one, other = facts(topic, draw), facts(topic, draw)
    sources = (one.fill(topic.source, topic, draw), other.fill(topic.source, topic, draw))
    said = f"{one.fill(topic.answers[0], topic, draw)} [1] {other.fill(topic.answers[1], topic, draw)} [2]"
    messages = (Message(Role.USER, f"[1] {sources[0]}\n[2] {sources[1]}\n{topic.questions[1]}"),)
    return Candidate(Kind.SYNTHESIS, "t", messages, said, sources=sources, source_ids=("1", "2"))


def faulty(topics: Sequence[Topic], draw: random.Random) -> Iterator[Made]:
    """Answers with one fault each."""
    for topic in topics:
        for blank, fault in (("p", "ungrounded name"), ("n", "ungrounded number"), ("m", "ungrounded number"),
                             ("y", "ungrounded number")):  # fmt: skip
            answers = [each for each in topic.answers if f"{{{blank}}}" in each]
            own = facts(topic, draw)
            said = _other(topic, own, draw, blank).fill(draw.choice(answers), topic, draw)
            yield Made(_grounded(topic, own, said, draw), fault)
        own = facts(topic, draw)
        said = replace(own, quote=topic.invented).fill(topic.quoting, topic, draw)
        yield Made(_grounded(topic, own, said, draw), "invented quotation")
        yield from _of_form(topic, draw)


def _of_form(topic: Topic, draw: random.Random) -> Iterator[Made]:
    own = facts(topic, draw)
    right = _grounded(topic, own, own.fill(topic.answers[1], topic, draw), draw)
    yield Made(replace(right, answer=f"{right.sources[0]} [{topic.code}-1]"), "copy")
    own = facts(topic, draw)
    right = _grounded(topic, own, own.fill(topic.answers[1], topic, draw), draw)
    tag = draw.choice(("think", "thinking"))
    yield Made(replace(right, answer=f"<{tag}>Hm, let me see.</{tag}>\n{right.answer}"), "think leak")
    own = facts(topic, draw)
    right = _grounded(topic, own, own.fill(topic.answers[2], topic, draw), draw)
    yield Made(replace(right, answer=right.answer.replace("-1]", "-7]")), "wrong citation")
    own = facts(topic, draw)
    right = _grounded(topic, own, own.fill(topic.answers[3], topic, draw), draw)
    yield Made(replace(right, answer=f"{right.answer} " * 9), "repetition")
    if topic.code in _REFUSES:
        own = facts(topic, draw)
        right = _grounded(topic, own, topic.refusal, draw)
        yield Made(right, "refusal")


def structured(topics: Sequence[Topic], draw: random.Random) -> Iterator[Made]:
    """JSON: good answers, and those that are cut, not by the schema, or ungrounded."""
    for topic in topics:
        for fault in ("", "", "", "cut JSON", "no JSON", "schema", "schema", "ungrounded name", "ungrounded number"):
            own = facts(topic, draw)
            prompt = (Message(Role.USER, f"Extract:\n{own.fill(topic.source, topic, draw)}"),)
            wrong = {"ungrounded name": "p", "ungrounded number": draw.choice("ny")}.get(fault)
            said = _other(topic, own, draw, wrong) if wrong else own
            value: dict[str, Any] = {"person": said.person[0], "count": said.many, "year": said.year}
            value |= {"topic": draw.choice(("industry", "culture", "travel")), "relevance": draw.randrange(1, 6)}
            yield Made(Candidate(Kind.ANSWER, "t", prompt, _written(value, fault, draw)), fault, "json")


def _written(value: dict[str, Any], fault: str, draw: random.Random) -> str:
    if fault == "schema":
        changes: list[Callable[[dict[str, Any]], None]] = [
            lambda each: each.pop("year"), lambda each: each.update(count="many"),
            lambda each: each.update(topic="food"), lambda each: each.update(note="x"),
        ]  # fmt: skip
        draw.choice(changes)(value)
    text = json.dumps(value, ensure_ascii=False)
    if fault == "cut JSON":
        return text[: -draw.randrange(1, len(text) // 2)]
    return f"Here it is: {text}" if fault == "no JSON" else text


def twins(codes: Sequence[str]) -> tuple[list[Prompt], list[Made]]:
    """Frozen prompts, and candidates that ask nearly the same, in all these languages."""
    frozen, made = list[Prompt](), list[Made]()
    for language in LANGUAGES:
        if language.code in codes:
            gap = " " if language.spaces else ""
            for at in range(len(language.sentences) - 2):
                text = gap.join(language.sentences[at : at + 3])
                frozen.append((Message(Role.USER, text),))
                for changed in (
                    f"{text}!",
                    text.upper(),
                    f"OK: {text}",
                    text.replace(language.sentences[at][-2], "x", 1),
                ):
                    candidate = Candidate(Kind.ANSWER, "t", (Message(Role.USER, changed),), "ok")
                    made.append(Made(candidate, f"near frozen ({language.code})"))
    return frozen, made[:: max(1, len(made) // 60)]


def disputes(topics: Sequence[Topic], draw: random.Random) -> tuple[list[Known], list[Made]]:
    """Corrections of people and answers of a teacher that contradict them; two of three answers that agree, and one
    that does not; among good ones, several answers that agree."""
    kept, made = list[Known](), list[Made]()
    for topic in topics:
        own = facts(topic, draw)
        prompt = (Message(Role.USER, f"{topic.questions[0]}\n\n{own.fill(topic.source, topic, draw)}"),)
        kept.append(Known(prompt, own.fill(topic.answers[0], topic, draw), f"r{topic.code}", by_person=True))
        wrong = own.fill(topic.answers[3], topic, draw)
        made.append(Made(Candidate(Kind.ANSWER, "t", prompt, wrong), "contradiction of a person"))
        own = facts(topic, draw)
        other = _grounded(topic, own, own.fill(topic.answers[2], topic, draw), draw, question=topic.questions[0])
        others = (own.fill(topic.answers[0], topic, draw),) * 2
        made.append(Made(replace(other, others=others), "contradiction of other answers"))
        own = facts(topic, draw)
        right = _grounded(topic, own, own.fill(topic.answers[1], topic, draw), draw)
        made.append(Made(replace(right, others=(right.answer, right.answer)), "", "agreement"))
    return kept, made


def measured(topics: Sequence[Topic], codes: Sequence[str], seed: int, *, show: bool = False) -> dict[str, Any]:
    """Plant, sift and count."""
    draw, began = random.Random(seed), time.monotonic()
    frozen, near = twins(codes)
    kept, made = disputes(topics, draw)
    made += near
    for _ in range(ROUNDS):
        made += [*good(topics, draw), *faulty(topics, draw)]
    json_made = [each for _ in range(ROUNDS) for each in structured(topics, draw)]
    extra = [each for _ in range(ROUNDS) for each in good(topics, draw)]
    batches = (
        (made + extra, Against(Task.GROUNDED_QA, frozen=frozen, kept=kept)),
        (json_made, Against(Task.JSON, JsonSchema(SCHEMA), frozen=frozen)),
    )
    planted, caught, lost, total, unsure = (Counter[str]() for _ in range(5))
    for batch, against in batches:
        sifted = sift([each.candidate for each in batch], against)
        print(sifted.counted) if show else None
        why = {id(each.candidate): f"{each.filter}: {each.reason}" for each in (*sifted.dropped, *sifted.unsure)}
        doubtful = {id(each.candidate) for each in sifted.unsure}
        for each in batch:
            reason = why.get(id(each.candidate))
            if each.fault:
                planted[each.fault] += 1
                caught[each.fault] += reason is not None
            else:
                total[each.what] += 1
                lost[each.what] += reason is not None
                unsure[each.what] += id(each.candidate) in doubtful
            if show and (reason is None) is bool(each.fault):
                print(each.fault or each.what, "|", reason, "|", each.candidate.answer[:150].replace("\n", " "))
    return {
        "planted": planted.total(),
        "good": total.total(),
        "caught": round(caught.total() / planted.total(), 4),
        "good_lost": round(lost.total() / total.total(), 4),
        "good_unsure": round(unsure.total() / total.total(), 4),
        "languages": len({each.code for each in topics}),
        "by_kind": {name: round(caught[name] / count, 4) for name, count in sorted(planted.items())},
        "lost_by_kind": {name: round(lost[name] / count, 4) for name, count in sorted(total.items())},
        "seconds": round(time.monotonic() - began, 1),
    }


def measure() -> dict[str, Any]:
    """The figures of `filters`: of the texts that were held out."""
    return measured(HELD_OUT, OTHER_SCRIPTS, 7)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.teachers_filters", description=__doc__)
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--show", action="store_true")
    asked = parser.parse_args()
    if asked.train or asked.show:
        chosen = (TRAIN, ("zh", "el", "de", "th", "es"), 1) if asked.train else (HELD_OUT, OTHER_SCRIPTS, 7)
        print(json.dumps(measured(*chosen, show=asked.show), ensure_ascii=False, indent=1))
    else:
        found = measure()
        results.write({"filters": found}, FILE)
        print(json.dumps(found, ensure_ascii=False, indent=2))

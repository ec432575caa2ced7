"""Blind choices of a challenger and live, and a scripted judge that is asked about them."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from adapterd import config
from adapterd.chat import Message, Role, as_dicts
from adapterd.config import Settings
from adapterd.evaluation.e_process import VOTE
from adapterd.evaluation.rules import HUMAN_PREFERENCE
from adapterd.home import Home
from adapterd.record import prompt_hash
from adapterd.store import Store
from adapterd.store.evidence.comparisons import CaseEvidence, Comparison, Counts
from adapterd.store.reviews.choices import Choice, NewChoice, Vote
from tests.support.scripted_server import scripted
from tests.support.teacher_replies import body_of, http, ollama_said, openai_said

GOOD, BAD = "It is a good answer", "It is a bad answer"
DIGEST = "a" * 64
Decide = Callable[[str, str], str]
"""Two answers, the one shown first first → the text of the judge."""


def by_quality(first: str, second: str) -> str:
    """For the good answer; neither where both are alike."""
    if (GOOD in first) == (GOOD in second):
        return '{"winner": "tie"}'
    return '{"winner": "A"}' if GOOD in first else '{"winner": "B"}'


def add_pairs(store: Store, comparison: Comparison, answers: Sequence[tuple[str, str]]) -> list[Choice]:
    """Pairs of answers of both versions, to prompts of their own, that wait."""
    before = len(store.choices.all(comparison.model))
    for number, (ours, theirs) in enumerate(answers, start=before):
        prompt = (Message(Role.USER, f"What is in box {number}?"),)
        new = NewChoice(
            prompt_hash(prompt), as_dicts(prompt), comparison.ours, comparison.ours_digest, f"{ours} {number}.",
            comparison.theirs, comparison.theirs_digest, f"{theirs} of {number}.", ours_first=number % 2 == 0,
        )  # fmt: skip
        assert store.choices.add(comparison.model, new)
    return store.choices.all(comparison.model)[before:]


def add_votes(store: Store, comparison: Comparison, wins: Sequence[bool]) -> list[Choice]:
    """Pairs that people voted on, which is evidence: ours is the good one and wins, or theirs."""
    found = add_pairs(store, comparison, [(GOOD, BAD) if won else (BAD, GOOD) for won in wins])
    for choice, won in zip(found, wins, strict=True):
        store.choices.vote(comparison.model, choice.id, Vote.OURS if won else Vote.THEIRS, None)
    cases = [
        CaseEvidence(
            each.case, each.prompt_hash, "", None, VOTE, Counts.DECIDES, {HUMAN_PREFERENCE: 1.0 if won else -1.0}
        )
        for each, won in zip(found, wins, strict=True)
    ]
    store.comparisons.add_look(comparison.id, cases, to_today=True)
    return store.choices.all(comparison.model)[-len(found) :]


@dataclass
class ScriptedJudge:
    """What it decides by, the digest of its tag and the host that answers in its place, and what it was shown: pairs of
    answers, and whole requests."""

    decide: Decide = by_quality
    digest: str = DIGEST
    remote: str = ""
    shown: list[tuple[str, str]] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)

    def reply(self, request: bytes) -> list[bytes]:
        """Speaks Ollama's API and OpenAI's."""
        path = request.split(b" ", 2)[1]
        if path == b"/api/tags":
            return [http(200, {"models": [{"model": "big:1", "name": "big:1", "digest": self.digest}]})]
        if path == b"/api/show":
            remote = {"remote_host": self.remote} if self.remote else {}
            return [http(200, {"modelfile": "FROM /gone", "details": {"format": "gguf"}, **remote})]
        self.sent.append(request)
        text = body_of(request)["messages"][-1]["content"]
        first, second = (_block(text, name) for name in ("ANSWER A", "ANSWER B"))
        self.shown.append((first, second))
        said = self.decide(first, second)
        return [ollama_said(said) if path == b"/api/chat" else openai_said(said)]


def _block(text: str, name: str) -> str:
    found = re.search(rf"<<<{name} (\w+)\n(.*)\n{name} \1>>>", text, re.DOTALL)
    assert found
    return found[2]


CONFIG = """
runtime = "embedded"
ollama.host = "http://127.0.0.1:{port}"
[judges.big]
model = "big:1"
parallel = 2
{judge}
[models.m]
base = "tiny:1"
base_digest = "sha256:00"
{more}
"""
BY_URL = 'base_url = "http://127.0.0.1:{port}/v1"'


class Replying(Protocol):
    """What answers requests."""

    def reply(self, request: bytes) -> list[bytes]: ...


@contextmanager
def judge_at(home: Home, judge: Replying, settings: str = "", more: str = "") -> Iterator[Settings]:
    """The settings of a model with this judge, which answers as long as the block lasts; in `settings` those of the
    judge, in `more` those of the model."""
    with scripted(judge.reply) as server:
        of_judge = settings.replace("{port}", str(server.port))
        home.config_file.write_text(CONFIG.format(port=server.port, judge=of_judge, more=more), encoding="utf-8")
        yield config.load(home)

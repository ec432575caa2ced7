"""Which conversations are recorded, and as what."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from adapterd.capture.captures import Capture, Captures, Counted, Tagged
from adapterd.capture.model_facts import ModelFacts
from adapterd.capture.rates import day_of
from adapterd.capture.tags.checks import faults
from adapterd.capture.tags.edits import EDITED, LOOKED_AT, MOST_BYTES, WITHIN_S, Edits, Request, edits
from adapterd.capture.wire.conversation import Conversation, NotRecordedError
from adapterd.capture.wire.dialects import read_exchange
from adapterd.capture.wire.exchange import Exchange
from adapterd.chat import Message, Role
from adapterd.config import CaptureSettings, ModelSettings, PersonalData, Settings, Task
from adapterd.errors import ConfigError, InputError
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.personal_data.finding import Kind
from adapterd.personal_data.rules import is_allowed
from adapterd.record import prompt_hash

SAMPLE = "sample"
ALWAYS = {"broken": "broken", "cut": "cut", "schema": "schema", "json": "schema"}
"""The rule that keeps an answer with such a fault, whatever the sample."""
LOW_LOGPROB, AGAIN = "low_logprob", "again"
_LATEST = ":latest"
_TURNS = frozenset(Role)

Findings = Callable[[str], Iterable[tuple[Kind, str]]]


@dataclass
class Recording:
    """Stores what is to be kept, and counts what is not. `findings` tells the secrets and personal data in a text,
    each with its kind, `facts` what a model is made of. Where there are no settings, nothing is recorded."""

    captures: Captures
    settings: Settings | None
    facts: Callable[[str], ModelFacts]
    findings: Findings
    chance: Random

    def take(self, exchange: Exchange) -> bool:
        """Count the answer of an exchange, if it is one of a model that is recorded, and store the conversation, if it
        is to be; whether it was."""
        counted, capture, edited, why = None, None, Edits(), ""
        try:
            if self.settings is None:
                raise NotRecordedError("settings that cannot be read")
            found = read_exchange(exchange)
            _refuse_others(found, self.settings.capture)
            model = self.settings.models.get(found.model.partition(":")[0])  # whichever of its tags was asked
            wrong = faults(found, _schema(model), wants_json=model is not None and model.task is Task.JSON)
            counted = self._counted(found, wrong, exchange.started_at)
            edited = self._edits(found, exchange.started_at, self.settings.capture)
            capture = self._capture(exchange, found, wrong, model, edited, self.settings.capture)
        except NotRecordedError as exc:
            why = str(exc)
        except (ConfigError, InputError):
            why = "a model whose schema cannot be read"
        former = self._broken_before(capture)
        if capture and former:
            capture = replace(capture, repeats=former.repeats + 1)
        self.captures.take(
            exchange.id, counted, capture, former=former.id if former else None, why=why,
            tagged=Tagged(EDITED, edited.former, edited.of_program),
        )  # fmt: skip
        return capture is not None

    def _edits(self, found: Conversation, at: float, wanted: CaptureSettings) -> Edits:
        """The answer of the model whose prompt this one is with an edit."""
        request = Request([_plain(vars(turn)) for turn in found.turns], found.tools, found.schema, at)
        if not request.is_a_persons:
            return Edits()
        earlier = self.captures.before(found.model, at - WITHIN_S, LOOKED_AT, MOST_BYTES)
        return edits(request, earlier, wanted.again_s)

    def _broken_before(self, capture: Capture | None) -> Capture | None:
        """The conversation whose request this one repeats, as its answer broke off."""
        if capture is None or self.settings is None:
            return None
        since = capture.at - self.settings.capture.again_s
        former = self.captures.of_prompt(capture.model, capture.prompt_hash, since)
        return former if former and not former.complete else None

    def _counted(self, found: Conversation, wrong: Iterable[str], at: float) -> Counted:
        model = found.model.removesuffix(_LATEST)
        return Counted(day_of(at), model, self.facts(found.model).digest or "", 1, dict.fromkeys(wrong, 1))

    def _capture(
        self, exchange: Exchange, found: Conversation, wrong: Sequence[str], model: ModelSettings | None,
        edited: Edits, wanted: CaptureSettings,
    ) -> Capture:  # fmt: skip
        hashed = _prompt_hash(found)
        kept = self._why(found, wrong, hashed, exchange.started_at, edited, wanted)
        self._refuse_private(found, model)
        facts, said = self.facts(found.model), found.said
        texts = _texts([vars(turn) for turn in found.turns], vars(said), found.options, found.tools, found.schema)
        return Capture(
            id=exchange.id, at=exchange.started_at, dialect=found.dialect, model=found.model, digest=facts.digest,
            template_hash=facts.template_hash, prompt_hash=hashed, answer_hash=answer_hash(said.text),
            turns=[_plain(vars(turn)) for turn in found.turns], answer=said.text, thoughts=said.thoughts,
            calls=list(said.calls), options={**(facts.parameters or {}), **found.options}, tools=list(found.tools),
            schema=found.schema, reason=said.reason, complete=said.complete, error=said.error,
            prompt_tokens=said.prompt_tokens, answer_tokens=said.answer_tokens, logprob=said.logprob,
            logprob_tokens=said.logprob_tokens, first_byte_s=exchange.first_byte_s, seconds=exchange.seconds,
            faults=list(wrong), kept=kept, repeats=0, bytes=sum(len(text.encode("utf-8", "replace")) for text in texts),
        )  # fmt: skip

    def _why(
        self, found: Conversation, wrong: Iterable[str], hashed: str, at: float, edited: Edits, wanted: CaptureSettings
    ) -> str:
        """Why a conversation is recorded; raises NotRecordedError if it is not in the sample and no rule keeps it."""
        if self.chance.random() < wanted.sample:  # whatever the answer is like, so that rates may rest on the sample
            return SAMPLE
        for name in wrong:
            if name in ALWAYS:
                return ALWAYS[name]
        said = found.said
        if said.logprob is not None and said.logprob < wanted.low_logprob * said.logprob_tokens:
            return LOW_LOGPROB
        if self.captures.of_prompt(found.model, hashed, at - wanted.again_s):
            return AGAIN
        if edited.former:
            return EDITED
        raise NotRecordedError("an answer that is not in the sample")

    def _refuse_private(self, found: Conversation, model: ModelSettings | None) -> None:
        if model is not None and model.feedback.personal_data is not PersonalData.HOLD:
            return
        allowed = model.feedback.allow if model else ()
        for text in _texts(
            [vars(turn) for turn in found.turns], vars(found.said), found.options, found.tools, found.schema
        ):
            for kind, found_text in self.findings(text):
                if not is_allowed(kind, found_text, allowed):
                    raise NotRecordedError(f"a conversation with secrets or personal data: {kind}")


def _refuse_others(found: Conversation, settings: CaptureSettings) -> None:
    wanted = {name.removesuffix(_LATEST) for name in settings.models}
    if wanted and found.model.removesuffix(_LATEST) not in wanted:
        raise NotRecordedError("a model that is not to be recorded")


def answer_hash(text: str) -> str:
    """The hash by which an application finds the capture of an answer: SHA-256 of its text, without space around it."""
    return hashlib.sha256(text.strip().encode("utf-8", "replace")).hexdigest()


def _prompt_hash(found: Conversation) -> str:
    """That of a feedback record with the same prompt, where there can be one."""
    if all(turn.role in _TURNS and not turn.parts and not turn.calls for turn in found.turns):
        return prompt_hash(tuple(Message(Role(turn.role), turn.content) for turn in found.turns))
    turns = json.dumps([_plain(vars(turn)) for turn in found.turns], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(turns.encode("utf-8", "replace")).hexdigest()


def _texts(*values: object) -> Iterator[str]:
    """Every text in plain values: whatever of a conversation is stored."""
    for value in values:
        if isinstance(value, str):
            yield value
        elif isinstance(value, Mapping):
            yield from _texts(*value, *value.values())
        elif isinstance(value, (list, tuple)):
            yield from _texts(*value)


def _schema(model: ModelSettings | None) -> Any:
    return read_schema(model.schema) if model and model.schema else None


def _plain(turn: dict[str, Any]) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in turn.items() if value}

"""The answers to frozen cases that are kept of a version in its folder, each with its case."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapterd.chat import as_dicts, from_dicts
from adapterd.evaluation.answers import prompt_key
from adapterd.evaluation.gates import BASE, CANDIDATE
from adapterd.formats.evaluation import ANSWERS, FROZEN
from adapterd.formats.json_files import read_json_lines
from adapterd.home import Home
from adapterd.serving.tags import BASE as BASE_VERSION
from adapterd.store import Store
from adapterd.store.versions import Version


def case_hash(messages: Sequence[Mapping[str, str]], reference: str) -> str:
    """The identity of a case: what is asked, and what a good answer is."""
    return hashlib.sha256(json.dumps([prompt_key(messages), reference]).encode()).hexdigest()


def answer_hash(text: str) -> str:
    """The identity of an answer."""
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class KeptAnswer:
    """An answer to a case; `id` names the case in its frozen set, `case` and `answer` are the hashes of both."""

    id: str
    messages: Sequence[Mapping[str, str]]
    reference: str
    key_facts: tuple[str, ...]
    text: str
    case: str
    answer: str


def kept_answers(store: Store, model: str, version: str) -> list[KeptAnswer]:
    """The answers of a version to the frozen set that it was evaluated on; those of the base are kept with the newest
    of its versions that has any. None where none are kept. Raises InputError for a file that cannot be read."""
    home, role, folder = Home.of_database(store.path), CANDIDATE, version
    if version == BASE_VERSION:
        digest = store.versions.changed_base(model)
        of_base = (each for each in _with_answers(store, model) if digest in (None, each.base_digest))
        role, folder = BASE, next((each.version for each in of_base), version)
    file = home.version(model, folder) / ANSWERS / FROZEN
    if not file.is_file():
        return []
    return [each for each in read_json_lines(file, lambda line: _answer(line, role), "the answers to a case") if each]


def versions_with_answers(store: Store, model: str) -> list[str]:
    """The versions of which answers are kept, the newest first."""
    return [each.version for each in _with_answers(store, model)]


def _with_answers(store: Store, model: str) -> list[Version]:
    home = Home.of_database(store.path)
    newest_first = reversed(store.versions.all(model))
    return [each for each in newest_first if (home.version(model, each.version) / ANSWERS / FROZEN).is_file()]


def _answer(line: Mapping[str, Any], role: str) -> KeptAnswer | None:
    answers, messages, reference = line["answers"], as_dicts(from_dicts(line["messages"])), str(line["reference"])
    if not isinstance(answers, dict):
        raise TypeError("its answers are none by role")
    if role not in answers:
        return None
    text = str(answers[role]["text"])
    return KeptAnswer(
        str(line["id"]), messages, reference, tuple(map(str, line.get("key_facts", ()))), text,
        case_hash(messages, reference), answer_hash(text),
    )  # fmt: skip

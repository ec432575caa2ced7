"""The likelihood of the references to each file: one file at a time, in a process of its own."""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base_proof.served_behaviour import undated
from adapterd.chat import Message, as_dicts
from adapterd.dataset.encoding import end_of_turn
from adapterd.dataset.thoughts import Thoughts
from adapterd.errors import AdapterdError, StageError
from adapterd.evaluation.answers import ASKED, prompt_key
from adapterd.evaluation.evaluate import Answers
from adapterd.evaluation.likelihood import completion_nats
from adapterd.evaluation.metrics.metric import Question
from adapterd.evaluation.metrics.model_figures import REFERENCE_NATS, REFERENCE_TOKENS
from adapterd.formats.encoded import EncodedExample
from adapterd.runs.served_prompts import ServedPrompts
from adapterd.system.child.call import call
from adapterd.system.files import write_atomic
from adapterd.system.machine import available_memory_bytes

LONGEST_S = 3600.0
"""A file that takes longer for all cases is given up."""


@dataclass(frozen=True)
class ReferenceLikelihoods:
    """Measures them for tags that were asked, and keeps them in `folder`, by what they depend on."""

    prompts: ServedPrompts
    folder: Path

    def added(
        self, questions: Sequence[Question], answers: Mapping[str, Answers]
    ) -> tuple[dict[str, Answers], tuple[str, ...]]:
        """The answers with the nats and the tokens of each reference among their figures, and sentences on what could
        not be measured.

        A case counts for all tags or for none. What stands in the way of a file concerns that file alone.
        """
        files: dict[str, dict[int, float]] = {}
        notes = []
        for name, given in answers.items():
            try:
                files[name] = self._nats(name, given.digest, questions)
            except (AdapterdError, OSError, MemoryError) as exc:
                notes.append(f"reference_nll of {given.tag} was not measured: {str(exc) or type(exc).__name__}")
        common = set(range(len(questions))).intersection(*files.values())
        tokens = {place: self.prompts.answer_tokens(questions[place].reference) + 1 for place in common}
        if files and len(common) < len(questions):
            limit = self.prompts.num_ctx
            count = len(questions) - len(common)
            notes.append(f"reference_nll leaves out {count} cases: prompt and reference exceed a context of {limit}")
        with_figures = {
            name: given.with_figures(
                {place: {REFERENCE_NATS: files[name][place], REFERENCE_TOKENS: tokens[place]} for place in common}
                if name in files
                else {}
            )
            for name, given in answers.items()
        }
        return with_figures, tuple(notes)

    def _nats(self, name: str, digest: str, questions: Sequence[Question]) -> dict[int, float]:
        """The nats of each reference that fits, by its place."""
        kept = {place: self._kept(name, digest, question) for place, question in enumerate(questions)}
        found = {place: read for place, file in kept.items() if (read := _read(file)) is not None}
        missing = [place for place in kept if place not in found]
        if not missing:
            return found
        path = self._file_of(name)
        fitting = {place: each for place, each in self._encoded(name, path, questions, missing).items() if each}
        if not fitting:
            return found
        context = self.prompts.num_ctx
        measured = call(completion_nats, path, list(fitting.values()), context, timeout_s=LONGEST_S)
        if not all(map(math.isfinite, measured)):
            raise StageError("llama.cpp gives its tokens no finite probabilities")
        for place, nats in zip(fitting, measured, strict=True):
            asked = prompt_key(as_dicts(questions[place].messages))
            write_atomic(kept[place], json.dumps({ASKED: asked, "text": "", REFERENCE_NATS: nats}))
            found[place] = nats
        return found

    def _file_of(self, name: str) -> Path:
        """Where a tag's file can be read; raises StageError where it cannot be here, or has no room in memory."""
        path = self.prompts.runtime.show(self.prompts.tags[name]).gguf
        if path is None:
            raise StageError("its file is not on this machine, or not for this user to read")
        size, free = path.stat().st_size, available_memory_bytes()
        if size > free:
            raise StageError(f"its file takes {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB of memory are free")
        return path

    def _encoded(
        self, name: str, path: Path, questions: Sequence[Question], places: Sequence[int]
    ) -> dict[int, EncodedExample | None]:
        """Prompt, reference and end of turn as they are trained; None for what exceeds the context."""

        def render(messages: Sequence[Message]) -> str:
            return self.prompts.rendered(name, messages)

        tokenizer = Tokenizer.open(path)
        thoughts = Thoughts(render, tokenizer, lambda: self.prompts.tells_thoughts_apart(name))
        stop = end_of_turn(render, tokenizer)
        limit = min(self.prompts.num_ctx, tokenizer.context_length or self.prompts.num_ctx)
        encoded: dict[int, EncodedExample | None] = {}
        for place in places:
            text = render(questions[place].messages)
            prompt = tokenizer.encode_prompt(text)
            ids = (*prompt, *thoughts.completion(text, questions[place].reference), stop)
            encoded[place] = EncodedExample(ids, len(prompt), questions[place].id) if len(ids) <= limit else None
        return encoded

    def _kept(self, name: str, digest: str, question: Question) -> Path:
        """The file of what was measured before; its name has all that the figure depends on."""
        asked = undated(self.prompts.rendered(name, question.messages))
        settings = [self.prompts.num_ctx, self.prompts.settings.think, version("llama-cpp-python")]
        identity = ["reference likelihood", digest, asked, question.reference, *settings]
        return self.folder / f"{hashlib.sha256(json.dumps(identity).encode()).hexdigest()}.json"


def _read(file: Path) -> float | None:
    try:
        return float(json.loads(file.read_text(encoding="utf-8"))[REFERENCE_NATS])
    except (OSError, ValueError, TypeError, LookupError):
        return None

"""How an adapter answers prompts of the validation set, before it is merged: base + adapter, by llama.cpp, greedily."""

import math
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.base.gguf.llama_model import Asked, GreedyAnswer, LlamaModel
from adapterd.base.gguf.lora_gguf import write_lora
from adapterd.base.gguf.served_metadata import served_metadata
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.chat import after_opened_thought, without_thought
from adapterd.config import ModelSettings
from adapterd.errors import StageError
from adapterd.evaluation.metrics.catalogue import metrics_for, said
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.evaluation.metrics.metric import Better, Metric, Question
from adapterd.evaluation.rules import PRIMARY, primary_of
from adapterd.formats.encoded import VALIDATION, EncodedExample, read_examples
from adapterd.merging.updates import read_adapter
from adapterd.training.choice.by_answers import AnswerScore

FEWEST = 4
"""Of fewer prompts the answers say less than the loss."""
SEQUENCES = 4
"""Answers that are sampled at a time, each of which takes memory for the keys and values of the longest."""
ROOM, SPARE, LONGEST = 1.5, 16, 400
"""An answer may have so many times the ids of its reference and some more, or so many at most; then it is cut."""


@dataclass(frozen=True)
class AdapterAnswers:
    """Asks the base with an adapter the prompts of these examples; the primary metric of `settings` scores the answers,
    or the task's own where that one is measured of more than the text."""

    gguf: GgufFile
    examples: Sequence[EncodedExample]
    settings: ModelSettings

    @classmethod
    def of(cls, base: Path, dataset: Path, settings: ModelSettings) -> "AdapterAnswers | None":
        """A judge by at most `training.judged_prompts` examples from all over the validation set of a dataset folder;
        None where there are too few, or none are wanted."""
        examples, most = list(read_examples(dataset / VALIDATION)), settings.training.judged_prompts
        if len(examples) < FEWEST or not most:
            return None
        gguf = GgufFile.open(base, context_tokens=settings.evaluation.num_ctx)
        return cls(gguf, examples[:: math.ceil(len(examples) / most)], settings)

    def __call__(self, adapter: Path) -> AnswerScore:
        """How the adapter in a folder answers; raises InputError or StageError where llama.cpp cannot ask it, or no
        answer can be scored."""
        answers = self.answers(adapter, self.examples)
        texts = [self._read(each, answer.ids) for each, answer in zip(self.examples, answers, strict=True)]
        value = self._metric.over(self._questions, [said(text) for text in texts])
        if value is None:
            raise StageError(
                f"{self._metric.name} has no value for the answers to {len(answers)} prompts of validation"
            )
        score = -value if self._metric.better is Better.LOWER else value
        cut = sum(not answer.complete for answer in answers)
        return AnswerScore(score, cut / len(answers), len(answers))

    def answers(self, adapter: Path, examples: Sequence[EncodedExample]) -> list[GreedyAnswer]:
        """What the adapter in a folder answers to the prompts of these examples; raises InputError or StageError where
        llama.cpp cannot ask it."""
        asked = [Asked(each.ids[: each.prompt_tokens], _most(each)) for each in examples]
        with tempfile.TemporaryDirectory(prefix=".asked-", dir=adapter.parent) as name:
            lora = Path(name) / "adapter.gguf"
            updates = read_adapter(adapter, self.gguf)
            write_lora(lora, self.gguf.architecture, (update.in_llama_cpp() for update in updates))
            with LlamaModel.open(
                self.gguf.path, context_tokens=max(len(each.prompt) + each.most for each in asked), lora=lora,
                metadata=served_metadata(self.gguf), sequences=min(SEQUENCES, len(asked)),
            ) as model:  # fmt: skip
                return model.answers(asked, {each.ids[-1] for each in examples}, adapted=True)

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return Tokenizer.open(self.gguf.path)

    def _read(self, example: EncodedExample, ids: Sequence[int]) -> str:
        """An answer to the example's prompt as text, as an application gets it: without its thought."""
        prompt = self._tokenizer.text(example.ids[: example.prompt_tokens])
        return without_thought(after_opened_thought(prompt, self._tokenizer.text(ids)))

    @cached_property
    def _questions(self) -> list[Question]:
        """With the taught answers as references."""
        taught = [each.ids[each.prompt_tokens : -1] for each in self.examples]
        pairs = zip(self.examples, taught, strict=True)
        return [Question(str(place), (), self._read(each, ids)) for place, (each, ids) in enumerate(pairs)]

    @cached_property
    def _metric(self) -> Metric:
        schema = read_schema(self.settings.schema) if self.settings.schema else None
        found = metrics_for(
            self.settings.task, self._questions, schema=schema, strip_fences=self.settings.evaluation.strip_fences
        )
        by_name = {metric.name: metric for metric in found}
        wanted = by_name.get(primary_of(self.settings))
        return wanted if wanted and wanted.of_text else by_name[PRIMARY[self.settings.task]]


def _most(example: EncodedExample) -> int:
    return min(LONGEST, int(ROOM * (len(example.ids) - example.prompt_tokens)) + SPARE)

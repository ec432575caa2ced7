"""The settings of teachers and judges: where they answer, what a model has them make, and how it is judged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from adapterd.config.annotations import Doc, Range
from adapterd.config.choices import Think

Made = Annotated[int, Range(0, 100_000)]


@dataclass(frozen=True)
class RemoteModel:
    """A model that answers at an address, and the bounds of what it is asked at a time."""

    model: Annotated[str, Doc("Ollama tag, or the model's name at base_url")]
    base_url: Annotated[
        str | None, Doc("address of an OpenAI-compatible API, up to and with /v1", unset="Ollama at ollama.host")
    ] = None
    key_env: Annotated[
        str | None, Doc("environment variable that has the API key; the key itself is nowhere", unset="no key")
    ] = None
    parallel: Annotated[int, Range(1, 64), Doc("requests at the same time")] = 2
    timeout_s: Annotated[float, Range(1, 86_400), Doc("seconds that a request may take")] = 600.0
    think: Annotated[Think, Doc("for thinking models: whether to think before they answer")] = Think.DEFAULT
    num_ctx: Annotated[int, Range(128, 10_000_000), Doc("tokens of context, for Ollama")] = 8192
    num_predict: Annotated[int, Range(1, 100_000), Doc("tokens of the longest answer, thoughts included")] = 1024
    temperature: Annotated[float, Range(0.0, 2.0), Doc("temperature of sampling")] = 0.7
    max_calls: Annotated[int, Range(1, 10_000_000), Doc("requests of a command or a night, at most")] = 1000
    max_tokens: Annotated[
        int, Range(1, 10_000_000_000), Doc("tokens of a command or a night, prompts included, at most")
    ] = 2_000_000
    max_minutes: Annotated[float, Range(0.01, 100_000), Doc("minutes of a command or a night, at most")] = 120.0

    @property
    def may_be_elsewhere(self) -> bool:
        """Whether somebody agreed that what it is asked leaves this machine."""
        return False


@dataclass(frozen=True)
class TeacherSettings(RemoteModel):
    """A stronger model that makes examples."""

    model: Annotated[str, Doc("Ollama tag, or the model's name at base_url", page="teachers.md")]
    terms_allow_training: Annotated[
        bool, Doc("you have read that its terms allow training on its answers; asked of all but local models")
    ] = False

    @property
    def may_be_elsewhere(self) -> bool:
        return self.terms_allow_training


@dataclass(frozen=True)
class JudgeSettings(RemoteModel):
    """A model that says which of two answers is better."""

    model: Annotated[str, Doc("Ollama tag, or the model's name at base_url", page="judges.md")]
    temperature: Annotated[float, Range(0.0, 2.0), Doc("temperature of sampling")] = 0.0
    prompts_may_leave: Annotated[
        bool, Doc("it may be sent prompts and answers; asked of all but local models", page="judges.md")
    ] = False
    pinned: Annotated[
        bool,
        Doc("its name at base_url always means the same weights; where it may not, it only advises", page="judges.md"),
    ] = False

    @property
    def may_be_elsewhere(self) -> bool:
        return self.prompts_may_leave


@dataclass(frozen=True)
class JudgingSettings:
    """How answers of a model are judged by another one."""

    judge: Annotated[str | None, Doc("name of the judge", unset="the only one there is", page="judges.md")] = None
    rubric: Annotated[
        Path | None, Doc("Markdown file that says what a good answer is", unset="that of the task", page="judges.md")
    ] = None


@dataclass(frozen=True)
class TeachingSettings:
    """What teachers make for a model, each time."""

    teacher: Annotated[str | None, Doc("name of the teacher", unset="the only one there is", page="teachers.md")] = None
    nightly: Annotated[bool, Doc("have examples made before each run, too")] = False
    answers: Annotated[Made, Doc("prompts of the pool and captured ones that are answered")] = 200
    repairs: Annotated[Made, Doc("answers that people called bad that are mended")] = 50
    variations: Annotated[Made, Doc("examples of people that are put in other words")] = 0
    worse: Annotated[Made, Doc("worse answers to prompts that people answered, for preference pairs")] = 0
    from_documents: Annotated[
        Made, Doc("questions and answers from documents: 60 % grounded, 20 % of two passages, 20 % refusals")
    ] = 100
    documents: Annotated[Path | None, Doc("folder of documents (txt, md, html, jsonl)", unset="none")] = None
    chunk_tokens: Annotated[int, Range(64, 100_000), Doc("tokens of a passage, by the base's tokenizer")] = 512
    shown: Annotated[int, Range(0, 20), Doc("corrections of people that a teacher is shown as examples")] = 3
    agreement: Annotated[
        int, Range(1, 9), Doc("answers to each prompt, of which most have to agree; 1: the only one is taken")
    ] = 1
    judge: Annotated[
        str | None, Doc("name of a judge that examples pass after all other filters", unset="none", page="teachers.md")
    ] = None
    judge_score: Annotated[int, Range(0, 10), Doc("score of 10 below which the judge throws an example away")] = 6

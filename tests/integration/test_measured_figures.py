"""What is measured of answers besides their text, with real files, a real runtime and llama.cpp."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from adapterd.base.gguf.llama_model import LlamaModel
from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import EvaluationSettings, ModelSettings, Task
from adapterd.dataset.cases import EvaluationCase
from adapterd.dataset.encoding import end_of_turn
from adapterd.errors import InputError, WorkerLostError
from adapterd.evaluation.answered_set import AnsweredSet
from adapterd.evaluation.bert_score import token_scores
from adapterd.home import Home
from adapterd.runs.measuring import likelihoods
from adapterd.runs.tag_evaluation import EvaluationRun, Evaluator
from adapterd.serving.runtime import Runtime
from adapterd.serving.runtimes import file_digest
from tests.support.tiny_gguf import mlx_logits, write_tiny_gguf

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
REFERENCES = ["A new bridge was opened.", "yes", "The mayor resigned after the vote."]
TOLERANCE = 1.5e-2
"""Nats a token, between llama.cpp, which keeps keys and values as 16-bit floats, and MLX."""
SETTINGS = ModelSettings(
    base="tiny", base_digest="sha256:1", task=Task.GENERATION,
    evaluation=EvaluationSettings(
        num_ctx=160, num_predict=8, guard=False, consistency_seeds=0, encoder="base", latency_questions=2
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder, more = tmp_path_factory.mktemp("files"), {"tokenizer.chat_template": TEMPLATE}
    return {
        name: write_tiny_gguf(folder / f"{name}.gguf", seed=seed, metadata=more)
        for name, seed in (("candidate", 1), ("base", 2))
    }


@pytest.fixture(scope="module")
def tags(runtime: Runtime, files: dict[str, Path]) -> Iterator[dict[str, str]]:
    made = {"candidate": "figures:1.0.0", "base": "figures:base"}
    for name, tag in made.items():
        runtime.create(tag, files[name], file_digest(files[name]), Modelfile())
    yield made
    for tag in made.values():
        runtime.delete(tag)


def case(number: int, reference: str) -> EvaluationCase:
    return EvaluationCase(f"case {number}", (Message(Role.USER, f"What is {number}?"),), reference, f"record {number}")


CASES = [case(number, text) for number, text in enumerate(REFERENCES)]


@pytest.fixture(scope="module")
def ask(
    runtime: Runtime, tags: dict[str, str], files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., EvaluationRun]:
    home = Home(tmp_path_factory.mktemp("home"))

    def asked(cases: list[EvaluationCase] = CASES, **changes: Any) -> EvaluationRun:
        settings = replace(SETTINGS, evaluation=replace(SETTINGS.evaluation, **changes))
        evaluator = Evaluator(home, runtime, settings, files["base"], {tags["base"]: {"case 1": {"topic_drift": 0.25}}})
        return evaluator.collect_answers(tags, cases, "hash", lambda *_, **__: None)

    return asked


@pytest.fixture(scope="module")
def asked_once(ask: Callable[..., EvaluationRun]) -> EvaluationRun:
    return ask()


def by_mlx(runtime: Runtime, tag: str, file: Path, question: EvaluationCase) -> tuple[float, int]:
    """The nats of reference and end of turn behind the rendered prompt, by MLX's own forward pass, and the tokens."""
    tokenizer = Tokenizer.open(file)
    prompt = tokenizer.encode_prompt(runtime.render(tag, question.messages))
    stop = end_of_turn(lambda messages: runtime.render(tag, messages), tokenizer)
    completion = [*tokenizer.encode_continuation(question.reference), stop]
    logits = mlx_logits(file, [*prompt, *completion])[len(prompt) - 1 : -1].astype(np.float64)
    chosen = logits[np.arange(len(completion)), completion]
    return float((np.log(np.exp(logits).sum(-1)) - chosen).sum()), len(completion)


def test_every_file_says_how_likely_the_references_are_to_it(
    runtime: Runtime, tags: dict[str, str], files: dict[str, Path], asked_once: EvaluationRun
) -> None:
    found = asked_once
    assert found.notes == ()
    for name, given in found.frozen.answers.items():
        wanted = [by_mlx(runtime, tags[name], files[name], each) for each in CASES]
        for answer, (nats, tokens) in zip(given.answers, wanted, strict=True):
            assert answer.figures["reference_tokens"] == tokens
            assert answer.figures["reference_nats"] / tokens == pytest.approx(nats / tokens, abs=TOLERANCE)
        score = found.scores()[name].metrics["reference_nll"]
        assert score == pytest.approx(sum(n for n, _ in wanted) / sum(t for _, t in wanted), abs=TOLERANCE)
    [compared] = (each for each in found.measured() if each.metric.name == "reference_nll")
    assert compared.against["base"].cases == 3


def test_a_likelihood_is_kept_for_the_next_evaluation(
    ask: Callable[..., EvaluationRun], asked_once: EvaluationRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = asked_once.frozen.answers["base"].answers
    monkeypatch.setattr(likelihoods, "call", lambda *_, **__: pytest.fail("a file was read again"))
    again = ask(encoder=None, latency_questions=0)
    assert [each.figures["reference_nats"] for each in again.frozen.answers["base"].answers] == [
        each.figures["reference_nats"] for each in first
    ]


def test_a_reference_beyond_the_context_is_left_out_for_all_and_said(ask: Callable[..., EvaluationRun]) -> None:
    found = ask([*CASES, case(9, "bridge " * 60)], encoder=None, latency_questions=0)
    assert found.notes == ("reference_nll leaves out 1 cases: prompt and reference exceed a context of 160",)
    for given in found.frozen.answers.values():
        assert ["reference_nats" in each.figures for each in given.answers] == [True, True, True, False]


def test_a_file_that_cannot_be_read_costs_its_likelihoods_and_nothing_else(
    ask: Callable[..., EvaluationRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihoods, "available_memory_bytes", lambda: 10)
    found = ask([case(20, "no"), case(21, "yes")], encoder=None, latency_questions=0)
    assert [note.split(":1.0.0")[0].split(":base")[0] for note in found.notes] == ["reference_nll of figures"] * 2
    assert "GB of memory are free" in found.notes[0]
    assert "reference_nll" not in found.scores()["candidate"].metrics
    assert found.scores()["candidate"].metrics["token_f1"] >= 0


@pytest.mark.parametrize(
    ("gives", "why"),
    [
        (MemoryError(), "MemoryError"), (OSError("no room"), "no room"), (WorkerLostError("it died"), "it died"),
        ([float("nan")], "no finite probabilities"),
    ],
)  # fmt: skip
def test_whatever_becomes_of_the_process_that_reads_a_file_is_said(
    ask: Callable[..., EvaluationRun], monkeypatch: pytest.MonkeyPatch, gives: Exception | list[float], why: str
) -> None:
    def call(*_: Any, **__: Any) -> list[float]:
        if isinstance(gives, Exception):
            raise gives
        return gives

    monkeypatch.setattr(likelihoods, "call", call)
    found = ask([case(30, "no")], encoder=None, latency_questions=0)
    assert [why in note for note in found.notes] == [True, True]
    assert "reference_nll" not in found.scores()["candidate"].metrics


def test_token_embeddings_are_what_the_last_layer_gives_to_the_head(files: dict[str, Path]) -> None:
    """The file has no head of its own, so its logits are the products with the embeddings of all tokens."""
    from adapterd.base.gguf.gguf_file import GgufFile

    ids = Tokenizer.open(files["base"]).encode_prompt("The mayor resigned after the vote.")
    with LlamaModel.open(files["base"], context_tokens=len(ids), embeds=True) as model:
        found = model.embeddings(ids)
        with pytest.raises(InputError, match="do not fit a context"):
            model.embeddings([*ids, 5])
    head = GgufFile.open(files["base"]).values("token_embd.weight")
    wanted = mlx_logits(files["base"], ids)
    assert found.shape == (len(ids), head.shape[1])
    assert np.abs(found @ head.T - wanted).max() < 2e-2 * wanted.std()


def test_bert_score_is_the_published_formula_on_the_same_embeddings(
    files: dict[str, Path], asked_once: EvaluationRun
) -> None:
    frozen = asked_once.frozen
    tokenizer = Tokenizer.open(files["base"])

    def embedded(text: str) -> np.ndarray:
        ids, own = tokenizer.encode_text(text)
        with LlamaModel.open(files["base"], context_tokens=512, embeds=True) as model:
            rows = model.embeddings(ids)[own].astype(np.float64)
        unit: np.ndarray = rows / np.sqrt((rows**2).sum(axis=1))[:, None]
        return unit

    for given in frozen.answers.values():
        for question, answer in zip(frozen.questions, given.answers, strict=True):
            if not answer.text:
                continue
            cosines = np.array([[a @ b for b in embedded(question.reference)] for a in embedded(answer.text)])
            wanted = {"bert_score_precision": cosines.max(axis=1).mean(), "bert_score_recall": cosines.max(0).mean()}
            for name, value in wanted.items():
                assert answer.figures[name] == pytest.approx(value, abs=1e-4), name
    assert token_scores(files["base"], [("The mayor.", "The mayor."), ("", ""), ("", "yes")]) == [
        pytest.approx((1.0, 1.0), abs=1e-5), (1.0, 1.0), (0.0, 0.0),
    ]  # fmt: skip


def test_an_encoder_that_is_not_there_is_said_and_stops_nothing(ask: Callable[..., EvaluationRun]) -> None:
    found = ask(encoder="/nowhere/encoder.gguf", latency_questions=0)
    assert found.notes == ("bert_score was not measured: /nowhere/encoder.gguf is not there, or not a file",)
    assert "bert_score_f1" not in found.scores()["candidate"].metrics


def test_two_questions_are_timed_in_turn_and_rubrics_are_read(asked_once: EvaluationRun, tags: dict[str, str]) -> None:
    found = asked_once
    for name in tags:
        timed = [each.figures.get("timed_answer_s") for each in found.frozen.answers[name].answers]
        assert [each is not None for each in timed] == [True, True, False]
        assert found.scores()[name].metrics["tokens_per_s"] > 0
    assert found.scores()["base"].metrics["topic_drift"] == 0.25
    assert "topic_drift" not in found.scores()["candidate"].metrics


def test_figures_are_stored_with_the_answers(asked_once: EvaluationRun) -> None:
    frozen: AnsweredSet = asked_once.frozen
    stored = json.loads(json.dumps([vars(each) for each in frozen.answers["base"].answers]))
    assert stored[1]["figures"] == dict(frozen.answers["base"].answers[1].figures)

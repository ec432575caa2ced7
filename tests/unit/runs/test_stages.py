"""What becomes of a run when the runtime loses a tag under its hands, or when it takes longer than a day."""

import json
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.base.model import BaseModel
from adapterd.base.modelfile import Modelfile
from adapterd.chat import Message, Role
from adapterd.config import ModelSettings, Settings
from adapterd.errors import NotFoundError, RuntimeFailedError, StageError
from adapterd.formats.run_folder import RECORDS
from adapterd.home import Home
from adapterd.record import FeedbackRecord
from adapterd.runs.plan import RunPlan
from adapterd.runs.stage import Job, under_way
from adapterd.runs.stages import parity, require_stored, what_vanished_may_come_back
from adapterd.runs.tag_evaluation import Evaluator
from adapterd.serving.runtime import ServedModel
from tests.support.fakes import FakeRuntime
from tests.support.tiny_gguf import write_tiny_gguf


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"share": 0.01}, {"share": 0.01}),
        ({"share": 0.2}, {"share": 0.2, "remaining_s": 40.0}),
        ({"share": 0.2, "remaining_s": 7.0}, {"share": 0.2, "remaining_s": 7.0}),
        ({"share": 1.0, "step": 5, "remaining_s": 0.0}, {"share": 0.99, "step": 5, "remaining_s": 0.0}),
        ({"share": 1.0}, {"share": 0.99}),
        ({"doing": "it begins"}, {"doing": "it begins"}),
    ],
)
def test_what_is_under_way_is_not_done(told: dict[str, object], expected: dict[str, object]) -> None:
    assert under_way(told, 10.0) == expected


def test_a_run_that_lost_a_tag_is_tried_again() -> None:
    lost = pytest.raises(RuntimeFailedError, match="news:base is gone from the runtime, while it was to be asked")
    with lost as caught, what_vanished_may_come_back():
        raise NotFoundError("news:base is gone from the runtime")
    assert caught.value.transient
    assert "adapterctl retrain" in caught.value.hint


@pytest.mark.parametrize(
    ("place", "projectors", "fault"),
    [
        (f"/blobs/sha256-{'a' * 64}", ("sha256:cc",), ""),
        (None, ("sha256:cc",), ""),
        (f"/blobs/sha256-{'b' * 64}", ("sha256:cc",), "the runtime stored sha256:bbb"),
        (None, (), "news:1.0.0 has not the projector of its base"),
        (None, ("sha256:dd",), "news:1.0.0 has not the projector of its base"),
    ],
)
def test_a_version_that_is_not_stored_as_it_was_made_is_refused(
    place: str | None, projectors: tuple[str, ...], fault: str
) -> None:
    served = ServedModel("news:1.0.0", "digest", None, Modelfile(projectors=projectors), place=place)
    base = BaseModel("news:base", Path("/base.gguf"), "sha256:ee", Modelfile(projectors=("sha256:cc",)))
    refused = pytest.raises(StageError, match=fault) if fault else nullcontext()
    with refused:
        require_stored(served, f"sha256:{'a' * 64}", base)


def test_a_tag_that_is_gone_is_named_before_anything_is_asked(home: Home) -> None:
    settings = ModelSettings(base="tiny", base_digest="sha256:1")
    evaluator = Evaluator(home, FakeRuntime(), settings, home.root / "base.gguf")
    with pytest.raises(NotFoundError, match=r"news:1\.0\.0 is gone from the runtime"):
        evaluator.collect_answers({"candidate": "news:1.0.0"}, [], "", lambda *_, **__: None)


AT = datetime(2026, 11, 1, tzinfo=UTC)


class DatedRuntime(FakeRuntime):
    """Prompts by a template that writes today's date."""

    head = "Today is {}."

    def __init__(self, day: str) -> None:
        super().__init__()
        self.day = day

    def render(
        self, tag: str, messages: Sequence[Message], *, think: bool | None = None, num_ctx: int | None = None
    ) -> str:
        return self.head.format(self.day) + "".join(f"<{m.role}>{m.content}" for m in messages) + "<assistant>"


@pytest.fixture
def trained_on(tmp_path: Path) -> Callable[[DatedRuntime], Job]:
    """A run that encoded its prompts as the runtime rendered them at that time."""
    gguf = write_tiny_gguf(tmp_path / "tiny.gguf", layers=1)
    base = BaseModel("m:base", gguf, "sha256:aa", Modelfile())

    def encode(runtime: DatedRuntime) -> Job:
        tokenizer = Tokenizer.open(gguf)
        records = [FeedbackRecord((Message(Role.USER, f"Day {n}?"),), correction="7", created_at=AT) for n in (1, 12)]
        plan = RunPlan("r", "m", "1.0.0", base, ModelSettings("t", "sha256:aa"), Settings(), "base")
        job = Job(plan, tmp_path, Home(tmp_path), {})
        job.dataset.mkdir()
        (job.folder / RECORDS).write_text("".join(record.to_json() + "\n" for record in records))
        prompts = [tokenizer.encode_prompt(runtime.render("m:base", record.messages)) for record in records]
        lines = [
            {"record": record.content_hash, "ids": [*ids, 5], "prompt_tokens": len(ids)}
            for record, ids in zip(records, prompts, strict=True)
        ]
        (job.dataset / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        return job

    return encode


def served_by(job: Job, runtime: DatedRuntime) -> tuple[int, int]:
    vars(job)["runtime"] = runtime
    return parity(job, "m:1.0.0", job.plan.base.gguf)


def test_a_run_that_goes_on_the_next_day_is_prompted_as_it_was_trained(
    trained_on: Callable[[DatedRuntime], Job],
) -> None:
    job = trained_on(DatedRuntime("Sunday, 29 Nov 2026"))
    assert served_by(job, DatedRuntime("Monday, 30 Nov 2026")) == (2, 2)
    assert served_by(job, DatedRuntime("Tuesday, 1 December 2026")) == (2, 2)


def test_a_template_that_changed_meanwhile_is_seen(trained_on: Callable[[DatedRuntime], Job]) -> None:
    job, other = trained_on(DatedRuntime("29 Nov 2026")), DatedRuntime("30 Nov 2026")
    other.head = "The date is {}."
    assert served_by(job, other) == (2, 0)

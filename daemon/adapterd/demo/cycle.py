"""The demo: a base that answers in prose, a night of feedback, a better version, another one, and a rollback."""

import json
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapterd.chat import ChatOptions, Message, Role
from adapterd.config import RuntimeKind, Task
from adapterd.demo import newsroom
from adapterd.demo.environment import DemoEnvironment, open_environment, register_base, say
from adapterd.demo.newsroom import BATCH_DAYS, NewsItem, WrittenFeedback
from adapterd.evaluation.evaluate import Answers, ask_all, score
from adapterd.evaluation.metrics.catalogue import metrics_for
from adapterd.evaluation.metrics.metric import Question
from adapterd.home import Home
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from adapterd.store.versions import VersionState
from adapterd.system.files import write_atomic

MODEL, BASE_TAG = "newsbrief-synth", "smollm2:135m"
FIRST, SECOND = 72, 80
"""Records of the first night, half of which judge, and of the nights after it."""
UNSEEN = 12
NUM_CTX, NUM_PREDICT = 2048, 64
FIRST_SEED, SECOND_SEED, UNSEEN_SEED = 1, 2, 1000
MOST_EVENINGS, EVENING, FIRST_EVENING_SEED = 2, 60, 3
RECIPE = {
    "training.layers": 4,
    "training.epochs": 1,
    "training.learning_rate": 2e-3,
    "training.judged_prompts": 0,
    "merging.steps": 8,
    "dataset.evaluation_share": 0.5,
    "dataset.evaluation_max": 24,
    "dataset.replay": 0,
    "evaluation.num_ctx": NUM_CTX,
    "evaluation.num_predict": NUM_PREDICT,
    "evaluation.guard": "false",
    "evaluation.consistency_seeds": 0,
    "evaluation.reference_nll": "false",
    "evaluation.latency_questions": 0,
    "evaluation.fresh_per_night": 12,
    "evaluation.reviews": "all",
    "schedule.min_new_records": 50,
}
SUMMARY = "summary.json"
TERMINATED = 128 + signal.SIGTERM
SHOWN_METRICS = ("json_valid", "field_f1", "exact")
TENSOR_KEYS = ("total", "same_name_shape_type_order", "untouched", "untouched_identical", "size_equal")
STAGE_OF = {"train": "training", "merge": "merging", "register": "serving", "evaluate": "evaluation"}


@dataclass
class Summary:
    """The content of `summary.json`, filled in while the demo runs."""

    values: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Note how long the block took, in seconds."""
        started = time.monotonic()
        yield
        self.seconds[name] = round(time.monotonic() - started, 3)

    def write(self, file: Path) -> None:
        """Write everything as JSON."""
        write_atomic(file, json.dumps({**self.values, "seconds": self.seconds}, indent=2, ensure_ascii=False))


def run_demo(folder: Path, *, runtime: str, ollama: Path | None, setup_seconds: float) -> None:
    """Run the whole cycle in `folder` and write `summary.json` there; raises AdapterdError if a step fails."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))  # so that the server is stopped then, too
    summary = Summary(seconds={"setup": setup_seconds})
    unseen = newsroom.items(UNSEEN, UNSEEN_SEED)
    with summary.timed("total_after_setup"), open_environment(folder, RuntimeKind(runtime), ollama) as demo:
        summary.values |= {"runtime": demo.runtime.name, "ollama_version": demo.runtime.version()}
        written = [begin(demo)]
        demo.ask(MODEL, unseen[0].prompt)
        say("\n— A night of feedback has arrived: train, merge, register, prove, promote.")
        demo.adapterctl("retrain")
        demo.adapterctl("feedback", "quarantine")
        demo.ask(MODEL, unseen[0].prompt)
        say("\n— A week later: more feedback, a second version from the base with all of it.")
        written.append(write_feedback(demo, SECOND, SECOND_SEED, datetime.now(UTC) - timedelta(days=1, hours=1)))
        demo.adapterctl("retrain")
        say("\n— The evenings after: what came since decides whether the challenger goes live.")
        for evening in range(MOST_EVENINGS):
            if _challenger(demo) is None:
                break
            start = datetime.now(UTC) - timedelta(days=BATCH_DAYS)
            written.append(write_feedback(demo, EVENING, FIRST_EVENING_SEED + evening, start))
            demo.adapterctl("evidence", "--now")
        if waiting := _challenger(demo):
            say("\n— Not proven in two evenings. Somebody compares answers, and makes it live; it is watched.")
            demo.adapterctl("promote", waiting)
        summary.values["verdicts"] = _verdicts(demo)
        demo.ollama("list")
        summary.values["base"] = _measure(demo, ModelTags(MODEL).base, unseen)
        summary.values["live"] = _measure(demo, ModelTags(MODEL).live, unseen)
        say("\n— Somebody does not like it: back to the version before, at once.")
        with summary.timed("rollback"):
            demo.adapterctl("rollback")
        demo.ask(MODEL, unseen[0].prompt)
        demo.ollama("list")
        summary.values["after_rollback"] = _measure(demo, ModelTags(MODEL).live, unseen)
        demo.adapterctl("status")
        _read_journal(demo, summary, written)
    summary.write(folder / SUMMARY)
    _conclude(summary, folder / SUMMARY)


def begin(demo: DemoEnvironment) -> WrittenFeedback:
    """Register an untrained base, create a model of it, and write the first feedback."""
    say(f"— {demo.runtime.name} {demo.runtime.version()}, everything in {demo.folder}")
    register_base(demo, BASE_TAG)
    schema = demo.folder / "schema.json"
    write_atomic(schema, json.dumps(newsroom.schema()))
    host = ("--host", demo.server.host) if demo.server else ()
    changes = [part for key, value in RECIPE.items() for part in ("--set", f"{key}={value}")]
    demo.adapterctl(
        "init", MODEL, "--base", BASE_TAG, "--task", str(Task.JSON), "--schema", str(schema),
        "--feedback", str(demo.folder / "feedback"), "--runtime", str(demo.kind), *host, *changes,
    )  # fmt: skip
    return write_feedback(demo, FIRST, FIRST_SEED, datetime.now(UTC) - timedelta(days=8))


def write_feedback(demo: DemoEnvironment, count: int, seed: int, start: datetime) -> WrittenFeedback:
    written = newsroom.write_feedback(demo.folder / "feedback", seed=seed, count=count, start=start)
    say(f"\n— NewsBrief wrote {written.lines} lines of feedback into {len(written.files)} files")
    return written


def _challenger(demo: DemoEnvironment) -> str | None:
    with Store(Home(demo.home).database) as store:
        found = (each.version for each in store.versions.all(MODEL) if each.state is VersionState.CHALLENGER)
        return next(found, None)


def _verdicts(demo: DemoEnvironment) -> dict[str, str]:
    """The reason why each version is live or not, before the rollback."""
    with Store(Home(demo.home).database) as store:
        return {version.version: version.reason for version in store.versions.all(MODEL)}


def _measure(demo: DemoEnvironment, tag: str, items: Sequence[NewsItem]) -> dict[str, Any]:
    """Ask a tag prompts that nobody has seen, through the runtime, without constrained decoding."""
    options = ChatOptions(num_ctx=NUM_CTX, num_predict=NUM_PREDICT)
    questions = [Question(item.source_id, (Message(Role.USER, item.prompt),), item.answer) for item in items]
    digest = demo.runtime.tags()[tag]
    given = ask_all(questions, lambda messages: demo.runtime.chat(tag, messages, options))
    scores = score(Answers(tag, digest, given), questions, metrics_for(Task.JSON, questions))
    measured = {name: round(scores.metrics[name], 4) for name in SHOWN_METRICS}
    say(f"  {tag:<28} " + "  ".join(f"{name} {value:.3f}" for name, value in measured.items()))
    return {"tag": tag, "digest": digest, "prompts": len(items), **measured}


def _read_journal(demo: DemoEnvironment, summary: Summary, written: Sequence[WrittenFeedback]) -> None:
    """Fill in what the product recorded: demo times of the first version, file and tensors of the second, which was
    live before the rollback."""
    home = Home(demo.home)
    with Store(home.database) as store:
        files = store.feedback.files(MODEL)
        first, second = (store.runs.stages(version.run_id) for version in store.versions.all(MODEL)[:2])
    took = {row.name: row.seconds for row in first}
    made = {row.name: row.result or {} for row in second}
    summary.seconds |= {name: round(took[stage_name], 3) for name, stage_name in STAGE_OF.items()}
    base = demo.runtime.show(ModelTags(MODEL).base).gguf
    tensors, serving = made["merging"]["tensors"], made["serving"]
    summary.values["files"] = {"base": str(base), "live": serving["stored"]}
    summary.values["tensors"] = {key: tensors[key] for key in TENSOR_KEYS}
    summary.values["prompts"] = {"checked": serving["prompts_checked"], "ids_equal": serving["ids_equal"]}
    lines = sum(batch.lines for batch in written)
    counts = {key: sum(getattr(file, key) for file in files) for key in ("accepted", "duplicates", "quarantined")}
    summary.values["feedback"] = {"lines": lines, **counts, "lost": lines - sum(counts.values())}


def _conclude(summary: Summary, file: Path) -> None:
    base, live, back = (summary.values[name] for name in ("base", "live", "after_rollback"))
    say("\n— On prompts that no version has seen:")
    for name, scores in (("base", base), ("live", live), ("after rollback", back)):
        valid, fields, exact = scores["json_valid"], scores["field_f1"], scores["exact"]
        figures = f"valid JSON {valid:.0%}  field F1 {fields:.3f}  exact {exact:.0%}"
        say(f"  {name:<15} {figures}")
    say(f"\nAll figures are in {file}; the demo took {summary.seconds['total_after_setup']:.0f} s.")

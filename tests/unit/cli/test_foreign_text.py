"""What others wrote (prompts, file and tensor names, answers, errors), shown by every command: it acts on nothing."""

import ast
import io
import json
import re
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapterctl import output
from adapterctl.commands import bases, evaluate, feedback, gc, logs, retrain, service, status, versions
from adapterctl.commands.season import evidence
from adapterd.evidence.standing import RailStanding, Standing
from adapterd.housekeeping.collect import Collection, Item, ItemKind
from adapterd.insight.bases import WORKLOAD, BaseRow, Bases
from adapterd.insight.enough import Enough
from adapterd.insight.http_status import HttpStatus
from adapterd.insight.season.compared import Compared, OneNight
from adapterd.insight.season.evidence import BudgetLeft, Evidence
from adapterd.insight.status import ModelStatus, RunStatus, RuntimeStatus, Status
from adapterd.insight.versions_table import Gain, PrimaryScore, VersionRow
from adapterd.runs.pipeline import RunOutcome
from adapterd.store.evidence.comparisons import ComparisonState, Purpose
from adapterd.store.feedback import StoredFeedback
from adapterd.store.http_access.places import Place
from adapterd.store.prompt_pool.prompts import PoolCounts
from adapterd.store.schedule_state import DueReason
from adapterd.store.versions import VersionState
from adapterd.supervisor.logs import Line
from adapterd.system.service_manager import ServiceStatus
from tests.support.foreign_text import HOSTILE, acts

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
CLI = Path(output.__file__).parent


def run_status(text: str) -> RunStatus:
    return RunStatus(text, text, text, text, 0.5, {"doing": text}, text, text, AT, 1, AT)


def model_status(text: str) -> ModelStatus:
    return ModelStatus(
        text, text, text, AT, text, False, text, text, text, run_status(text), 1, [Enough(text, 1, 1, 1)],
        PoolCounts(1, 1, 1),
        1, 1, 1, 1, AT, text, AT,
        DueReason.NEW_FEEDBACK, text, AT, text, text, text,
    )  # fmt: skip


def whole_status(text: str) -> Status:
    place = Place("tcp", text, text, text)
    http = HttpStatus([text], [place], [place], [text], AT, text, {text: 1})
    return Status(text, True, RuntimeStatus(text, text, text, text), [model_status(text)], text, text, text, http)


def version_row(text: str) -> VersionRow:
    primary = PrimaryScore(text, 0.5, Gain(text, 0.1, 0.0, 0.2, 0.95))
    return VersionRow("1.0.0", VersionState.HELD, text, text, AT, text, text, primary, 1, True, text)


def season(text: str) -> Evidence:
    rails = (RailStanding(text, 0.0, 0.5),)
    standing = Standing(text, 1, 1, 1, 0.1, 1, 0.1, 0.0, 0.2, (0.5,), rails, 0.1, text, 3, 2)
    night = OneNight(AT, 1, 1, 0.1, 0.5, 0.5)
    going = [
        Compared(purpose, text, text, ComparisonState.OPEN, AT, None, 0.01, text, 0.5, standing, (night,))
        for purpose in Purpose
    ]
    ended = [replace(going[0], state=ComparisonState.DROPPED, ended_at=AT)]
    return Evidence(text, text, going, ended, [BudgetLeft(Purpose.WATCH, 0.02, 0.01, 0.0)], [text], text, text)


def scores(text: str) -> dict[str, Any]:
    return {text: {"metrics": {text: 0.5}, "latency_s": 1.0, "first_token_s": 1.0}}


def stored(text: str) -> StoredFeedback:
    record = json.dumps({"messages": [{"content": text}]})
    return StoredFeedback(1, "c", "p", record, f"in/{text}", 1, text, text, 1, (text,), AT, AT)


def case(text: str) -> dict[str, Any]:
    return {"metric": text, "theirs": 0.1, "ours": 0.2, "asked": text, "reference": text, "1.0.0": text, "b": text}


def progress(text: str) -> None:
    with output.StageProgress() as shown:
        shown(text, {"share": 0.5, "doing": text, "asking": text})
        shown(text, {"share": 1.0, "doing": text})


RENDERERS: dict[str, Callable[[str], object]] = {
    "table": lambda text: output.table([text, "B"], [(text, None), ("x", text)], empty=text),
    "empty table": lambda text: output.table(["A"], [], empty=text),
    "fields": lambda text: output.fields([(text, text), ("b", [text, output.Styled(text, "red")])]),
    "answer": lambda text: output.say_lines(text, indent=2),
    "complain": lambda text: output.complain(text, text, as_json=False),
    "complain --json": lambda text: output.complain(text, text, as_json=True),
    "json": lambda text: output.emit_json({text: [text]}),
    "progress": progress,
    "bases": lambda text: bases._show(
        Bases((BaseRow(text, False, architecture=text, why_not=text, hint=text),), 1, WORKLOAD, 1, None)
    ),
    "status": lambda text: status._show_all(whole_status(text)),
    "no models": lambda text: status._show_all(Status(text, False, RuntimeStatus(text, None, None, None), [])),
    "evidence": lambda text: evidence._show(season(text)),
    "compare": lambda text: evaluate._tell_case(case(text), "1.0.0", "b"),
    "scores": lambda text: retrain.table_of_scores(scores(text), {text: {"empty": 0.1}}),
    "outcome": lambda text: retrain.show_outcome(
        RunOutcome(text, text, True, text, scores(text), {}, False), text, False
    ),
    "version": lambda text: retrain._show_version(text, {"version": text, "reason": text}, [text], False),
    "versions": lambda text: output.table(["VERSION"], [versions._cells(version_row(text))], empty=""),
    "logs": lambda text: logs._show(Line(AT, text, text, text, text), False),
    "logs --json": lambda text: logs._show(Line(AT, text, text, text, text), True),
    "gc": lambda text: gc._show(Collection((Item(ItemKind.FILE, text, text, 1),), (text,)), dry_run=True),
    "service": lambda text: service._show(
        ServiceStatus(True, True, True, True, 7, text, text, Path(f"/{text}"), Path(f"/{text}"))
    ),
    "feedback list": lambda text: output.table(
        ["FROM", "PROMPT"], [(feedback._place(stored(text)), feedback._asked(stored(text)))], empty=""
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RENDERERS)
@given(st.text(st.characters(), max_size=40))
@example("\x1b]0;title\x07\x1b[2J\x1b]52;c;aGFjaw==\x1b\\")
@example("\x9b2J\x9d0;title\x9c\u202e\u2066")
@example("a\nerror: fake\r\nrow\x85row\u2028row")
@example(r"\[/b] [/b] [link=https://evil.example/x]docs[/link] \[link=x]d\[/link] [red]")
@example("\ud800 half, \udc9b raw byte")
def test_foreign_text_does_not_act_on_the_terminal(name: str, text: str) -> None:
    shown = rendered(lambda: RENDERERS[name](text))
    assert acts(shown) == set()


@pytest.mark.parametrize("name", [name for name in RENDERERS if name not in ("json", "complain --json", "logs --json")])
@given(st.text("\n\r\x0b\x0c\x85\u2028\u2029x", max_size=8))
def test_foreign_lines_do_not_begin_at_the_margin(name: str, text: str) -> None:
    """A fake row, a fake error: whatever stands at the margin begins with what we say there."""
    plain = rendered(lambda: RENDERERS[name]("")).split("\n")
    shown = rendered(lambda: RENDERERS[name](text + "\nFORGED")).split("\n")
    assert plain
    assert [line for line in shown if line.startswith("FORGED")] == []


def rendered(show: Callable[[], object]) -> str:
    """What is printed, both streams, as a terminal in UTF-8 gets it."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2)]
    with redirect_stdout(streams[0]), redirect_stderr(streams[1]):
        show()
    for stream in streams:
        stream.flush()
    return "".join(stream.buffer.getvalue().decode() for stream in streams)


@pytest.mark.parametrize("text", HOSTILE)
def test_commands_show_what_is_stored(home: Any, adapterctl: Callable[..., Any], text: str) -> None:
    from adapterd.chat import Message, Role
    from adapterd.record import FeedbackRecord
    from adapterd.store import Store
    from adapterd.store.feedback import NewFeedback

    storable = text.encode(errors="backslashreplace").decode().replace("\0", "")
    home.config_file.write_text(
        '[models.m]\nbase = "t:1"\nbase_digest = "sha256:00"\n[ollama]\nhost = "http://127.0.0.1:9"\n'
    )
    with Store(home.database) as store:
        record = FeedbackRecord((Message(Role.USER, storable),), output="x", created_at=datetime(1, 1, 1, tzinfo=UTC))
        store.feedback.add("m", NewFeedback.of(record, f"in/{storable}.jsonl", 1))
        store.feedback.quarantine("m", file=f"in/{storable}", line=1, reason=storable, excerpt=storable, kept="k")
        store.events.add("stage.failed", storable, model="m")
    for command in (["feedback", "list"], ["feedback", "quarantine"], ["history"], ["status"]):
        for form in ([], ["--json"]):
            done = adapterctl(*command, *form)
            assert acts(done.output) == set(), command


PRINTS = re.compile(r"(click\.)?(echo|secho|style|confirm|prompt)|print|sys\.std(out|err)\.write|Console")


def test_nothing_is_printed_but_through_output() -> None:
    found = {
        f"{file.relative_to(CLI)}:{node.lineno}: {ast.unparse(node.func)}"
        for file in CLI.rglob("*.py")
        if file.name != "output.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and PRINTS.fullmatch(ast.unparse(node.func))
    }
    assert found == set()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp1252", "utf-8"])
def test_json_is_json_in_every_encoding(encoding: str) -> None:
    value = {"ü → 漢": ["\x9b", "\u202e", "\ud800", "👩‍🔬"]}
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="backslashreplace")
    with redirect_stdout(stream):
        output.emit_json(value)
    stream.flush()
    assert json.loads(stream.buffer.getvalue().decode(encoding)) == value

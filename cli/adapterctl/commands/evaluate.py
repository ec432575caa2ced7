"""adapterctl eval freeze | list | run, compare, report"""

import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from adapterctl.given_file import GivenFile
from adapterctl.output import (
    StageProgress,
    Styled,
    ago,
    emit_json,
    examples,
    json_option,
    model_option,
    name_argument,
    say,
    table,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapterctl.app import App
    from adapterd.dataset.left_out import LeftOut
    from adapterd.evaluation.gates import Measured
    from adapterd.insight.manual_evaluation import ManualEvaluation
    from adapterd.runs.tag_evaluation import EvaluationRun
    from adapterd.store.evaluation_sets import EvaluationSet

CHANGED_MOST = 5
WIDTH = 100
LISTS = (("keywords", "keywords"), ("facts", "key_facts"))
FILE = GivenFile()


@click.group("eval")
def evaluation() -> None:
    """Frozen evaluation sets, and asking versions by hand."""


@evaluation.command(
    epilog=examples(
        "adapterctl eval freeze",
        "adapterctl eval freeze --strategy stratified --size 200",
        "adapterctl eval freeze --from our-test-set.jsonl",
    )
)
@name_argument
@click.option("--size", type=click.IntRange(10), default=200, show_default=True, help="At most so many cases.")
@click.option(
    "--strategy", type=click.Choice(["temporal", "stratified"]), default="temporal", show_default=True,
    help="The newest prompts of all, or the newest of every output type.",
)  # fmt: skip
@click.option("--from", "source", type=FILE, help="Your own test set: prompts with right answers, as feedback.")
@click.option("--no-run", is_flag=True, help="Do not ask what is live now; the next run will.")
@json_option
def freeze(name: str | None, size: int, strategy: str, source: Path | None, no_run: bool, as_json: bool) -> None:
    """Freeze a new evaluation set of prompts that no version was trained on, and ask it what is live.

    From now on candidates are judged by it, and none of its prompts is ever trained on. Earlier sets stay, and stay
    untrained. The set does not grow, as one that a run has frozen does. Of your own test set (--from) all cases are
    frozen but those that a version was trained on, or that have secrets or personal data; they may have lists of
    "keywords" and "key_facts".
    """
    from adapterctl.app import App
    from adapterd.dataset.freezing import Strategy

    app = App()
    evaluation = _manual_evaluation(app, name)
    frozen, new, left_out = evaluation.freeze_file(source) if source else evaluation.freeze(Strategy(strategy), size)
    judged = None if no_run else _run(evaluation, evaluation.live, as_json)
    if as_json:
        emit_json({**_described(frozen), "new": new, "left_out": left_out, "live": judged})
        return
    _tell_set(frozen, new)
    _tell_left_out(left_out)
    if judged is not None:
        _tell_scores(judged)


@evaluation.command("list", epilog=examples("adapterctl eval list", "adapterctl eval list --json"))
@name_argument
@json_option
def list_sets(name: str | None, as_json: bool) -> None:
    """Show the frozen sets; the last one is in force."""
    from adapterctl.app import App

    frozen = _manual_evaluation(App(), name).sets()
    sets = [_described(each) for each in frozen]
    if as_json:
        emit_json(sets)
        return
    rows = [
        (each["number"], each["hash"][:12], each["cases"], each["independent"], ago(each["frozen_at"])) for each in sets
    ]
    table(["SET", "HASH", "CASES", "SOURCES", "FROZEN"], rows, empty="nothing was frozen yet: `adapterctl eval freeze`")
    for each in frozen:
        if each.grown_from:
            _tell_growth(each)


@evaluation.command("run", epilog=examples("adapterctl eval run", "adapterctl eval run 1.2.0 --json"))
@click.argument("version", required=False)
@model_option
@json_option
def run_set(version: str | None, model: str | None, as_json: bool) -> None:
    """Ask a version (else what is live) the set in force and judge it anew. What is live stays live."""
    from adapterctl.app import App

    evaluation = _manual_evaluation(App(), model)
    version = version or evaluation.live
    judged = _run(evaluation, version, as_json)
    if as_json:
        emit_json(judged)
        return
    _tell_scores(judged)
    _tell_left_out(judged.left_out)
    if judged.bridge:
        say(f"the evaluation set has grown; {judged.bridge.sentence()}")
    _tell_notes(judged.notes)
    say(f"{evaluation.model} {version}: by the gates in force {judged.reason}")


@click.command(
    epilog=examples(
        "adapterctl compare 1.0.0 1.1.0",
        "adapterctl compare base 1.1.0 --set 1 --cases 10",
        "adapterctl compare 1.0.0 1.1.0 --data our-test-set.jsonl",
    )
)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option("--set", "number", type=click.IntRange(1), help="An earlier frozen set instead of the one in force.")
@click.option("--data", type=FILE, help="A file of prompts with right answers instead; it is not frozen.")
@click.option("--cases", type=click.IntRange(0), default=CHANGED_MOST, show_default=True, help="How many to show.")
@model_option
@json_option
def compare(
    first: str, second: str, number: int | None, data: Path | None, cases: int, model: str | None, as_json: bool
) -> None:
    """Ask two versions the same questions: every metric with its interval, and the cases that changed most."""
    from adapterctl.app import App

    if number and data:
        raise click.UsageError("--set and --data exclude each other")
    evaluation = _manual_evaluation(App(), model)
    with StageProgress(quiet=as_json) as progress:
        evaluation_run = evaluation.compare(
            (first, second), lambda share, **more: progress("asking", {"share": share, **more}), number, data
        )
    measured = evaluation_run.measured(second)
    changed = evaluation_run.frozen.changed_most(second, first, cases)
    if as_json:
        compared = {each.metric.name: each.against.get(first) for each in measured}
        metrics = {name: found and found.summary() for name, found in compared.items()}
        emit_json(
            {
                "set": evaluation_run.evaluation_hash, "metrics": metrics, "changed_most": changed,
                "left_out": evaluation_run.left_out, "notes": evaluation_run.notes,
            }
        )  # fmt: skip
        return
    asked = data.name if data else f"the set {evaluation_run.evaluation_hash[:12]}"
    _tell_comparison(evaluation_run, measured, first, second, asked)
    for case in changed:
        _tell_case(case, first, second)


@click.command(epilog=examples("adapterctl report 1.2.0", "adapterctl report 1.2.0 --open"))
@click.argument("version", required=False)
@click.option("--open", "show", is_flag=True, help="Show it in the browser.")
@model_option
@json_option
def report(version: str | None, show: bool, model: str | None, as_json: bool) -> None:
    """Write the report of a version (else of what is live): one HTML page on why it was promoted or held."""
    from adapterctl.app import App
    from adapterd.insight.report import write_report

    app = App()
    evaluation = _manual_evaluation(app, model)
    file = write_report(app.store, app.home, evaluation.model, version or evaluation.live)
    if as_json:
        emit_json({"report": file})
    else:
        say(file)
    if show:
        click.launch(file.as_uri())


def _manual_evaluation(app: "App", name: str | None) -> "ManualEvaluation":
    from adapterd.insight.manual_evaluation import ManualEvaluation

    return ManualEvaluation(app.store, app.home, app.settings, app.model(name))


def _run(evaluation: "ManualEvaluation", version: str, as_json: bool) -> Any:
    with StageProgress(quiet=as_json) as progress:
        return evaluation.run(version, lambda share, **more: progress("asking", {"share": share, **more}))


def _described(frozen: "EvaluationSet") -> dict[str, Any]:
    from adapterd.dataset.cases import EvaluationCase
    from adapterd.dataset.leaks.sources import count_of_sources

    independent = count_of_sources([EvaluationCase.from_dict(case) for case in frozen.cases])
    sources = Counter(case["source_id"] for case in frozen.cases if case.get("source_id"))
    origins = Counter(case["origin"] for case in frozen.cases if case.get("origin"))
    return {
        "number": frozen.number, "hash": frozen.content_hash, "cases": len(frozen.cases), "sources": dict(sources),
        "independent": independent, "origins": dict(origins), "frozen_at": frozen.created_at,
        "by_hand": frozen.by_hand, "grown_from": frozen.grown_from, "bridge": frozen.bridge,
    }  # fmt: skip


def _tell_set(frozen: "EvaluationSet", new: bool) -> None:
    from adapterd.dataset.leaks.origins import in_words

    described = _described(frozen)
    word = "frozen" if new else "is in force already, nothing new can judge"
    sources = described["independent"]
    of_sources = f" of {sources} source{'s' if sources > 1 else ''}" if sources < described["cases"] else ""
    say(f"evaluation set {frozen.number} {word}: {described['cases']} cases{of_sources}, {frozen.content_hash[:12]}")
    if described["origins"]:
        say(f"given by: {in_words(described['origins'])}")


def _tell_growth(grown: "EvaluationSet") -> None:
    from adapterd.formats.evaluation import Bridge
    from adapterd.serialization import from_plain

    if grown.bridge is None:
        say(f"set {grown.number} has grown from set {grown.grown_from}; `adapterctl eval run` asks it what is live")
    else:
        say(f"set {grown.number}: {from_plain(grown.bridge, Bridge).sentence(grown.grown_from)}")


def _tell_scores(judged: Any) -> None:
    from adapterctl.commands.retrain import table_of_scores
    from adapterd.serialization import to_plain

    table_of_scores(to_plain(judged.scores), to_plain(judged.baselines))


def _tell_comparison(
    evaluation_run: "EvaluationRun", measured: list["Measured"], first: str, second: str, asked: str
) -> None:
    rows = []
    for each in measured:
        found = each.against.get(first)
        if found is None:
            continue
        low, high = found.interval.low, found.interval.high
        by_case = f"{found.wins} / {found.losses} / {found.ties}" if each.metric.by_case else ""
        rows.append(
            (
                each.metric.name, f"{found.theirs:.3f}", f"{found.ours:.3f}",
                f"{found.difference:+.3f} [{low:+.3f}, {high:+.3f}]", f"{found.p:.2g}", by_case,
            )
        )  # fmt: skip
    table(
        ["METRIC", first, second, "DIFFERENCE [95 %]", "P", f"{second} WINS / LOSSES / TIES"], rows,
        empty=f"{first} and {second} are the same file",
    )  # fmt: skip
    say()
    say(f"{len(evaluation_run.frozen.questions)} cases of {asked}")
    _tell_left_out(evaluation_run.left_out)
    _tell_notes(evaluation_run.notes)


def _tell_left_out(left_out: "Sequence[LeftOut]") -> None:
    from adapterd.dataset.left_out import summary

    if left_out:
        say(summary(left_out, "left out, as they cannot be asked or measured"))


def _tell_notes(notes: "Sequence[str]") -> None:
    for note in notes:
        say(note)


def _tell_case(case: dict[str, Any], first: str, second: str) -> None:
    say()
    say(Styled(case["metric"], bold=True), f": {case['theirs']:.2f} → {case['ours']:.2f}")
    for label, text in (
        ("asked", case["asked"]),
        ("wanted", case["reference"]),
        *((name, ", ".join(case[field])) for name, field in LISTS if case.get(field)),
        (first, case[first]),
        (second, case[second]),
    ):
        shortened = textwrap.shorten(text, 3 * WIDTH, placeholder=" …") or "(nothing)"
        for line in textwrap.wrap(shortened, WIDTH, initial_indent=f"  {label:<8} ", subsequent_indent=" " * 11):
            say(line)

"""The contents of a report in their order: verdict, gates, what changed, lineage, charts."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from adapterd.evaluation.metrics.chart import CHARTS, Chart, ChartKind, Group
from adapterd.evaluation.metrics.label_metrics import ACCURACY, BINS
from adapterd.evaluation.metrics.metric import Better, Metric, Unit
from adapterd.evaluation.report import charts
from adapterd.evaluation.report.season import Course, course_chart
from adapterd.evaluation.report.trade import trades
from adapterd.formats.data_card import in_words
from adapterd.formats.evaluation import Bridge
from adapterd.formats.judged_step import judged_steps
from adapterd.printable import printable_lines
from adapterd.serialization import from_plain

SUBJECTS = ("candidate", "live", "base")
REGRESSIONS = 8
FOREST_ROWS = 14
LEFT_OUT = 20


@dataclass(frozen=True)
class Material:
    """Everything that a report is made of, as stored in the version's folder.

    `result` is evaluation.json, `cases` the lines of answers/frozen.jsonl, `curve` those of the training's
    metrics.jsonl, `card` data-card.json. `metrics` are all metrics of the task by name, and those of what is asked
    besides. `courses` are the comparisons on fresh cases that the version took part in.
    """

    model: str
    version: str
    state: str
    lineage: Mapping[str, Any]
    result: Mapping[str, Any]
    cases: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Metric]
    by_case: Mapping[str, Mapping[str, Sequence[float | None]]]
    curve: Sequence[Mapping[str, Any]] = ()
    card: Mapping[str, Any] | None = None
    courses: Sequence[Course] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing with its title, and a sentence on how to read it."""

    title: str
    svg: Markup
    note: str = ""


WANTED = {"keywords": "keywords", "key_facts": "facts"}
"""What a test set may say of a good answer, and its title."""


@dataclass(frozen=True)
class Regression:
    """A case that the candidate does worse than what it is compared with, with both answers; `wanted` is what else a
    test set says of a good answer, by name."""

    id: str
    metric: str
    before: float
    after: float
    asked: str
    reference: str
    other: str
    candidate: str
    wanted: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Section:
    """Figures that belong together."""

    title: str
    figures: list[Figure] = field(default_factory=list)


def render(material: Material) -> str:
    """The whole page as HTML that needs nothing else. All that is put into it is text: escaped by the template, after
    what would act or cannot be written has been made visible. Only a chart is markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader(__package__, ""), autoescape=True, undefined=StrictUndefined, finalize=_as_text
    )
    return environment.get_template("page.html.j2").render(
        material=material,
        decision=material.result["decision"],
        gates=material.result["findings"],
        facts=list(_facts(material)),
        rows=list(_rows(material)),
        subjects=_subjects(material),
        other=_other(material),
        sections=[section for section in _sections(material) if section.figures],
        regressions=_regressions(material),
    )


def _as_text(value: object) -> object:
    return printable_lines(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _subjects(material: Material) -> list[str]:
    return [name for name in SUBJECTS if name in material.result["scores"]]


def _facts(material: Material) -> Iterator[tuple[str, str]]:
    """The lineage of the version."""
    lineage, stages = material.lineage, material.lineage["stages"]
    data = stages["dataset"]
    yield "base", f"{lineage['base']['tag']} ({lineage['base']['digest'][:19]}…)"
    yield "file", f"{lineage['gguf_digest'][:19]}…"
    yield "evaluation set", f"{len(material.cases)} cases, {material.result['evaluation_hash'][:12]}"
    if bridge := material.result.get("bridge"):
        yield "the set has grown", from_plain(bridge, Bridge).sentence()
    yield (
        "trained on",
        f"{data['train']['examples']} examples of {data['records']} records, {data['content_hash'][:12]}",
    )
    if data.get("near_duplicates") and not data.get("notes"):
        yield "left out", f"{data['near_duplicates']} examples nearly the same as a case of the evaluation set"
    for note in data.get("notes") or ():
        yield "data", note
    for each in [*(data.get("unusable") or ()), *(data.get("unaskable") or ())][:LEFT_OUT]:
        yield "left out", f"record {each['record'][:12]}: {each['reason']}"
    for each in (material.result.get("left_out") or ())[:LEFT_OUT]:
        yield "left out of the comparison", f"record {each['record'][:12]}: {each['reason']}"
    for note in material.result.get("notes") or ():
        yield "not measured", note
    yield from in_words(material.card) if material.card else ()
    taken = stages.get("training") or {}  # where the settings leave it open
    recipe = {name: taken.get(name, value) for name, value in lineage["settings"]["training"].items()}
    yield "recipe", ", ".join(f"{name} {value}" for name, value in recipe.items() if value is not None)
    for line in judged_steps(taken):
        yield "choice by answers", line
    yield from trades(lineage, material.result)
    kept = (stages["merging"].get("retention") or {}).get("kept")
    if kept is not None:
        yield "adapter kept", f"{kept:.1%} of what it does is left in the merged file"
    if lineage.get("libraries"):
        yield "made with", ", ".join(f"{name} {version}" for name, version in lineage["libraries"].items())
    yield "run", lineage["run"]


def _rows(material: Material) -> Iterator[dict[str, Any]]:
    """One line of the table for each metric: its values, its baselines, and the comparison with live."""
    scores, baselines = material.result["scores"], material.result["baselines"]
    for name, metric in material.metrics.items():
        values = {subject: scores[subject]["metrics"].get(name) for subject in _subjects(material)}
        if all(value is None for value in values.values()):
            continue
        against = material.result["comparisons"].get(name, {})
        yield {
            "name": name, "about": metric, "values": values, "baselines": baselines.get(name, {}),
            "other": against.get(_other(material)),
        }  # fmt: skip


def _sections(material: Material) -> Iterator[Section]:
    yield Section("Evidence on fresh cases", list(_season(material)))
    yield Section("What changed", list(_changes(material)))
    yield Section(Group.QUALITY, list(_of_metrics(material, Group.QUALITY)))
    yield Section(Group.MANNER, [*_lengths_and_times(material), *_of_metrics(material, Group.MANNER)])
    yield Section("How it was made", list(_making(material)))


def _season(material: Material) -> Iterator[Figure]:
    for course in material.courses:
        yield Figure(course.claim, course_chart(course, course.claim), course.outcome)


def _of_metrics(material: Material, group: Group) -> Iterator[Figure]:
    """The charts of a group, each with the metrics that name it."""
    for chart in CHARTS:
        if chart.group is group:
            yield from _DRAW[chart.kind](material, chart)


def _in_chart(material: Material, chart: Chart) -> list[Metric]:
    return [metric for metric in material.metrics.values() if metric.chart and metric.chart.chart == chart]


def _changes(material: Material) -> Iterator[Figure]:
    other = _other(material)
    rows = [
        (name, each["difference"], each["interval"]["low"], each["interval"]["high"], metric.better is Better.HIGHER)
        for name, metric in material.metrics.items()
        if metric.unit is Unit.SHARE
        and metric.better is not Better.NEITHER
        and (each := material.result["comparisons"].get(name, {}).get(other))
    ]
    if rows:
        most = sorted(rows, key=lambda row: -abs(row[1]))[:FOREST_ROWS]
        shown = [row for row in rows if row in most]
        note = "An interval that does not cross zero is a change beyond chance: green is better, red worse."
        title = f"Differences between candidate and {other}"
        yield Figure(title, charts.forest(shown, title, f"candidate − {other}, with its 95 % interval"), note)
    shares = _values(material, [name for name, metric in material.metrics.items() if metric.unit is Unit.SHARE])
    if shares:
        note = "Where less is better (echoes, leaks, cuts), an empty field is the best."
        yield Figure("All shares", charts.heat_map(shares, "All metrics that are shares"), note)


def _other(material: Material) -> str:
    """What the candidate is compared with: the live version, or the base where the candidate itself is live."""
    return "live" if "live" in material.result["scores"] else "base"


def _values(material: Material, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """The metrics of those names that were measured, by subject."""
    scores = material.result["scores"]
    found = {
        name: {s: scores[s]["metrics"][name] for s in _subjects(material) if name in scores[s]["metrics"]}
        for name in names
    }
    return {name: values for name, values in found.items() if values}


def _bars(material: Material, chart: Chart) -> Iterator[Figure]:
    labels = {metric.name: metric.label for metric in _in_chart(material, chart)}
    if values := _values(material, list(labels)):
        by_label = {labels[name]: each for name, each in values.items()}
        yield Figure(chart.title, charts.bars(by_label, chart.title), chart.note)


def _scatter(material: Material, chart: Chart) -> Iterator[Figure]:
    if points := _points(material, chart):
        yield Figure(chart.title, charts.scatter(points, f"{chart.title} by field or label", chart.axes), chart.note)


def _of_primary(material: Material, _: Chart) -> Iterator[Figure]:
    name, by_subject = _primary(material)
    errors = {subject: [value for value in values if value is not None] for subject, values in by_subject.items()}
    if any(errors.values()):
        yield Figure(f"{name} by case", charts.distributions(errors, f"Distribution of {name} over the cases", name))


def _distributions(material: Material, chart: Chart) -> Iterator[Figure]:
    for metric in _in_chart(material, chart):
        by_subject = {s: [v for v in each if v is not None] for s, each in material.by_case[metric.name].items()}
        title = f"{chart.title} {metric.label}"
        yield Figure(title, charts.distributions(by_subject, title, chart.axes[0]), chart.note)


def _calibration(material: Material, chart: Chart) -> Iterator[Figure]:
    bins = _bins(material) if _in_chart(material, chart) else {}
    if bins:
        yield Figure(chart.title, charts.calibration(bins, "Accuracy over confidence"), chart.note)


_DRAW: Mapping[ChartKind, Callable[[Material, Chart], Iterator[Figure]]] = {
    ChartKind.BARS: _bars,
    ChartKind.SCATTER: _scatter,
    ChartKind.PRIMARY: _of_primary,
    ChartKind.DISTRIBUTION: _distributions,
    ChartKind.CALIBRATION: _calibration,
}


def _primary(material: Material) -> tuple[str, Mapping[str, Sequence[float | None]]]:
    """The metric to show single cases by: the first that is no yes or no, else the first."""
    return next(iter(material.by_case.items()), ("", {}))


def _points(material: Material, chart: Chart) -> dict[str, list[tuple[str, float, float]]]:
    """A point for each label, by subject: (label, x, y), of the labels that have a value on the x axis."""
    on_axis: dict[str, dict[str, str]] = {axis: {} for axis in chart.axes}
    for metric in _in_chart(material, chart):
        on_axis[metric.chart.axis if metric.chart else ""][metric.label] = metric.name
    xs, ys = (on_axis[axis] for axis in chart.axes)
    found: dict[str, list[tuple[str, float, float]]] = {}
    for subject in _subjects(material):
        metrics = material.result["scores"][subject]["metrics"]
        found[subject] = [
            (label, metrics[name], metrics.get(ys.get(label), 0.0)) for label, name in xs.items() if name in metrics
        ]
    return found if any(found.values()) else {}


def _bins(material: Material) -> dict[str, list[tuple[float, float, int]]]:
    """Mean confidence, accuracy and cases of each bin of confidence, by subject."""
    found: dict[str, list[tuple[float, float, int]]] = {}
    right = material.by_case.get(ACCURACY, {})
    for subject in _subjects(material) if right else ():
        pairs = [
            (math.exp(case["answers"][subject]["logprob"]), correct)
            for case, correct in zip(material.cases, right[subject], strict=True)
            if case["answers"][subject].get("logprob") is not None and correct is not None
        ]
        groups = [[pair for pair in pairs if min(int(pair[0] * BINS), BINS - 1) == place] for place in range(BINS)]
        found[subject] = [
            (sum(sure for sure, _ in group) / len(group), sum(ok for _, ok in group) / len(group), len(group))
            for group in groups
            if group
        ]
    return found if any(found.values()) else {}


def _lengths_and_times(material: Material) -> Iterator[Figure]:
    def of(value: Any) -> dict[str, list[float]]:
        return {s: [float(value(case["answers"][s])) for case in material.cases] for s in _subjects(material)}

    for title, unit, value in (
        ("Length of the answers", "tokens", lambda answer: answer["answer_tokens"]),
        ("Words of the answers", "words", lambda answer: len(answer["text"].split())),
        ("Time to the first token", "s", lambda answer: answer["first_token_s"]),
        ("Time of the whole answer", "s", lambda answer: answer["total_s"]),
    ):
        yield Figure(title, charts.distributions(of(value), title, unit))


def _making(material: Material) -> Iterator[Figure]:
    if drawn := charts.learning(material.curve):
        yield Figure("Learning", drawn)
    retention = material.lineage["stages"]["merging"].get("retention")
    if retention and retention["kept"] is not None:
        parts = {"kept": {"candidate": retention["kept"]}, "same first choice": {"candidate": retention["top1"]}}
        parts |= {f"kept, {name}": {"candidate": kept} for name, kept in retention.get("by_type", {}).items()}
        yield Figure("What the merge kept of the adapter", charts.bars(parts, "What the merge kept of the adapter"))


def _regressions(material: Material) -> list[Regression]:
    """The cases that lost most, by the metric that says most of a case."""
    name, values = _primary(material)
    other, lost = _other(material), []
    for place, case in enumerate(material.cases if values else ()):
        before, after = values[other][place], values["candidate"][place]
        if before is not None and after is not None and after < before:
            theirs, ours = (case["answers"][subject]["text"] for subject in (other, "candidate"))
            asked = case["messages"][-1]["content"]
            wanted = tuple((title, ", ".join(case[field])) for field, title in WANTED.items() if case.get(field))
            lost.append(Regression(case["id"], name, before, after, asked, case["reference"], theirs, ours, wanted))
    return sorted(lost, key=lambda each: each.after - each.before)[:REGRESSIONS]

"""The season of a version as a picture: evidence night after night, what each night added, and when it was decided."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from adapterd.evaluation.report.charts import BETTER, INK, MUTED, SUBJECTS, WORSE, drawn, readable

HEIGHT = 4.2
"""In inches."""
MOST_LABELS = 7
PROVEN = 1.0


@dataclass(frozen=True)
class CourseNight:
    """One night: the evidence after it, of which 1 is a proof, the mean difference of its cases (None without any that
    decides), and its date in words."""

    date: str
    evidence: float
    difference: float | None


@dataclass(frozen=True)
class Course:
    """The nights of one comparison. `claim` says what is to be proven, `outcome` how it ended, or where it stands.
    `metric` is what its differences are of. Evidence below `dropped_at` ends it once there are enough cases; None where
    nothing does. It is `decided` by its last night, or goes on."""

    claim: str
    outcome: str
    metric: str
    nights: Sequence[CourseNight]
    dropped_at: float | None
    decided: bool


def course_chart(course: Course, title: str) -> Markup:
    """Two drawings, one above the other: evidence over the nights with its thresholds, and each night's difference."""
    with drawn(title, HEIGHT, rows=2) as (drawing, (above, below)):
        _evidence(above, course)
        _differences(below, course)
        for axes in (above, below):
            axes.axhline(0, color=INK, linewidth=0.8)
            axes.grid(axis="x", visible=False)
            if course.decided:
                axes.axvline(len(course.nights), color=MUTED, linewidth=1, linestyle="-.")
    return drawing.svg


def _evidence(axes: Any, course: Course) -> None:
    values = [0.0, *(each.evidence for each in course.nights)]
    axes.plot(range(len(values)), values, "o-", color=SUBJECTS["candidate"], markersize=3.5)
    _threshold(axes, PROVEN, "proven", BETTER)
    if course.dropped_at is not None:
        _threshold(axes, course.dropped_at, "dropped below", WORSE)
    axes.set_ylim(top=1.1 * max(PROVEN, *values))
    axes.set_ylabel("share of a proof")


def _threshold(axes: Any, height: float, text: str, colour: str) -> None:
    axes.axhline(height, color=colour, linewidth=1, linestyle="--")
    axes.annotate(text, (0, height), xytext=(2, 2), textcoords="offset points", fontsize=7, color=MUTED)


def _differences(axes: Any, course: Course) -> None:
    """Bars of what each night added; a night without a case that decides has none."""
    places = range(1, len(course.nights) + 1)
    values = [each.difference or 0.0 for each in course.nights]
    axes.bar(places, values, width=0.7, color=[BETTER if each > 0 else WORSE for each in values])
    step = max(1, math.ceil(len(course.nights) / MOST_LABELS))
    axes.set_xticks(places[::step], [readable(each.date) for each in course.nights][::step])
    axes.set_xlim(-0.5, len(course.nights) + 0.7)
    axes.set_ylabel(readable(f"difference, {course.metric}"))
    axes.set_xlabel("night")

"""The nights of a comparison, as a report draws them."""

import math

from adapterd.evaluation.report.charts import standalone
from adapterd.evaluation.report.season import Course, CourseNight, course_chart
from adapterd.evidence.season import DROPPED_AT
from adapterd.insight.season.compared import Compared
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState, Purpose


def courses_of(store: Store, model: str, version: str) -> list[Course]:
    """What the version was challenger for, and what it was watched against, oldest first."""
    return [
        course
        for each in _compared(store, model)
        if version == (each.against if each.purpose is Purpose.WATCH else each.version) and (course := _course(each))
    ]


def newest_picture(store: Store, model: str) -> str | None:
    """The newest comparison that has a night, that of a challenger first, as a file of SVG; None without any."""
    found = [each for each in _compared(store, model) if each.nights]
    challenges = [each for each in found if each.purpose is Purpose.CHALLENGE]
    course = _course((challenges or found)[-1]) if found else None
    return standalone(course_chart(course, course.claim)) if course else None


def _compared(store: Store, model: str) -> list[Compared]:
    return [Compared.of(store, each, store.comparisons.looks(each.id)) for each in store.comparisons.all(model)]


def _course(compared: Compared) -> Course | None:
    """None before the first night."""
    if compared.standing is None or not compared.nights:
        return None
    challenge = compared.purpose is Purpose.CHALLENGE
    return Course(
        claim=f"Is {compared.version} better than {compared.against}?",
        outcome=f"{compared.state}: {compared.text}",
        metric=compared.standing.primary,
        nights=[CourseNight(f"{each.at:%d %b}", each.evidence, each.difference) for each in compared.nights],
        dropped_at=math.log(DROPPED_AT) / math.log(1 / compared.level) if challenge else None,
        decided=compared.state is not ComparisonState.OPEN,
    )

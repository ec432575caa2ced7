"""The charts of a report that show metrics, in the order in which they stand there. A metric names its own."""

from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """The section of the report that a chart stands in, by its heading."""

    QUALITY = "Right and wrong"
    MANNER = "How it answers"


class ChartKind(StrEnum):
    """How a chart is drawn.

    BARS: each metric's value. SCATTER: one metric over another, a point for each label. PRIMARY: the values of the
    cases, of the metric that says most of a single case; DISTRIBUTION: of each of the chart's metrics, a chart of its
    own. CALIBRATION: the share of right answers over the model's confidence.
    """

    BARS = "bars"
    SCATTER = "scatter"
    PRIMARY = "primary"
    DISTRIBUTION = "distribution"
    CALIBRATION = "calibration"


@dataclass(frozen=True)
class Chart:
    """A chart with its title; `note` is a sentence on how to read it, `axes` are the names of x and y of a scatter."""

    title: str
    group: Group = Group.QUALITY
    kind: ChartKind = ChartKind.BARS
    note: str = ""
    axes: tuple[str, str] = ("", "")

    def place(self, label: str = "", axis: str = "") -> "ChartPlace":
        """A metric's place in this chart."""
        return ChartPlace(self, label, axis)


@dataclass(frozen=True)
class ChartPlace:
    """Where a metric stands: `label` is what it is called there (empty: its name), `axis` the one of a scatter."""

    chart: Chart
    label: str = ""
    axis: str = ""


VALIDITY = Chart("Validity")
F1 = Chart("F1 by field or label")
OVERLAP = Chart("Overlap with the reference")
SOURCES = Chart("Sources")
PRECISION_AND_RECALL = Chart("Precision and recall", kind=ChartKind.SCATTER, axes=("recall", "precision"))
PRIMARY_BY_CASE = Chart("Primary metric by case", kind=ChartKind.PRIMARY)
ERRORS = Chart("Error of", kind=ChartKind.DISTRIBUTION, axes=("absolute error", ""))
CALIBRATION = Chart("Calibration", kind=ChartKind.CALIBRATION)
HABITS = Chart("Habits", Group.MANNER, note="Less is better for all but consistency.")

CHARTS = (
    VALIDITY,
    F1,
    OVERLAP,
    SOURCES,
    PRECISION_AND_RECALL,
    PRIMARY_BY_CASE,
    ERRORS,
    CALIBRATION,
    HABITS,
)

"""The charts of a report, as SVG that takes its colours from the page, so that it suits light and dark.

Drawn by matplotlib with text as outlines: it looks the same everywhere, and nothing is cut where a font is missing.
Names of metrics and fields come from feedback: they are drawn as plain text (`readable`), and no markup is put together
from strings. What matplotlib wrote is read as XML, changed, and written as XML.
"""

import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
from markupsafe import Markup

from adapterd.printable import printable

INK, MUTED, LINE, PAPER = "#010101", "#020202", "#030303", "#040404"
BETTER, WORSE = "#050505", "#060606"
SUBJECTS = {"candidate": "#0a0a01", "live": "#0a0a02", "base": "#0a0a03"}
VARIABLES = {
    INK: "--ink", MUTED: "--muted", LINE: "--line", PAPER: "--paper", BETTER: "--better", WORSE: "--worse",
    **{colour: f"--{name}" for name, colour in SUBJECTS.items()},
}  # fmt: skip
"""Each colour that is drawn with stands for a variable of the page's style."""
WIDTH, ROW = 5.2, 0.3
"""In inches."""
LONGEST_NAME = 48
_SVG, _XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_HREF = f"{{{_XLINK}}}href"
_STYLE = {
    "text.parse_math": False, "text.usetex": False,
    "svg.fonttype": "path", "svg.hashsalt": "adapterd", "font.size": 9, "font.family": "DejaVu Sans",
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": LINE, "xtick.color": MUTED, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True,
    "grid.color": LINE, "grid.linewidth": 0.6, "legend.frameon": False, "legend.fontsize": 8,
    "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
}  # fmt: skip


class Drawing:
    """A figure that becomes `svg` when its block ends."""

    svg = Markup()

    def __init__(self, figure: Any) -> None:
        self.figure = figure


@contextmanager
def drawn(title: str, height: float, columns: int = 1, rows: int = 1) -> Iterator[tuple[Drawing, Any]]:
    """A figure of that height in inches, with its axes (a list of them where there are several columns or rows; rows
    have one x axis)."""
    mpl = _matplotlib()
    from matplotlib.figure import Figure

    with mpl.rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # a box stands for it
        mpl.rcdefaults()  # whatever somebody's matplotlibrc says
        mpl.rcParams.update(_STYLE)
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        drawing = Drawing(figure)
        yield drawing, figure.subplots(rows, columns, sharex=rows > 1)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata={"Date": None, "Creator": None})
        drawing.svg = _for_the_page(written.getvalue(), title)


def _matplotlib() -> ModuleType:
    """matplotlib, which reads a matplotlibrc in the current folder when it is first imported: so not in somebody's."""
    with contextlib.chdir(Path(__file__).parent):
        import matplotlib as mpl

    return mpl


def readable(name: str) -> str:
    """A name from elsewhere as a chart can draw it: on one line, not too long, and nothing in it acts."""
    shown = printable(name)
    return shown if len(shown) <= LONGEST_NAME else shown[: LONGEST_NAME - 1] + "…"


def _for_the_page(svg: str, title: str) -> Markup:
    """Inline SVG of any size, with a name for those who cannot see it, and the page's colours."""
    root = ET.fromstring(svg)  # noqa: S314 - matplotlib has just written it
    root.attrib = {"viewBox": root.get("viewBox", ""), "role": "img", "aria-label": readable(title)}
    for metadata in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(metadata)
    # ids are counted anew in every figure, and one page holds them all
    mark = f"chart-{hashlib.sha256(title.encode(errors='backslashreplace')).hexdigest()[:12]}-"
    for element in root.iter():
        element.attrib = {name: _in_page(name, value, mark) for name, value in element.attrib.items()}
    for prefix, space in (("", _SVG), ("xlink", _XLINK)):
        ET.register_namespace(prefix, space)
    return Markup(ET.tostring(root, encoding="unicode"))  # noqa: S704 - escaped as it was written


def _in_page(name: str, value: str, mark: str) -> str:
    """An attribute's value with ids of this chart only, and the page's colours."""
    if name == "aria-label":
        return value
    if name == "id":
        return mark + value
    if name == _HREF:
        return f"#{mark}{value.removeprefix('#')}"
    value = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{mark}{found[1]})", value)
    return _COLOURS.sub(lambda found: f"var({VARIABLES[found[0]]})", value)


_COLOURS = re.compile("|".join(VARIABLES))


_DAY = {
    "--ink": "#1d2127", "--muted": "#5c6570", "--line": "#dde1e6", "--paper": "#fdfdfb", "--better": "#1d7f4c",
    "--worse": "#b6461b", "--candidate": "#1f6fb2", "--live": "#c77a15", "--base": "#7b8794",
}  # fmt: skip


def standalone(svg: str) -> str:
    """A chart as a file of its own, with the colours that the page has by day."""
    svg = str(svg)
    for name, colour in _DAY.items():
        svg = svg.replace(f"var({name})", colour)
    background = f'<rect width="100%" height="100%" fill="{_DAY["--paper"]}"/>'
    return re.sub(r"(<svg[^>]*>)", rf"\1{background}", svg, count=1)


LOSSES = {"training": "loss", "validation": "validation_loss", "end of turn": "end_of_turn_loss"}
"""The fields of a step that hold losses, by what they are losses of."""


def learning(curve: Sequence[Mapping[str, Any]]) -> Markup | None:
    """The losses of a training over its steps, None where there are none; points have a step and these losses."""
    losses = {
        name: [(point["step"], point[key]) for point in curve if point[key] is not None] for name, key in LOSSES.items()
    }
    return curves(losses, "Loss over the training's steps", "step", "loss") if any(losses.values()) else None


def forest(rows: Sequence[tuple[str, float, float, float, bool]], title: str, axis: str) -> Markup:
    """Differences with their intervals: (metric, difference, low, high, whether more is better)."""
    with drawn(title, 0.9 + ROW * len(rows)) as (drawing, axes):
        for place, (_, difference, low, high, more_is_better) in enumerate(rows):
            colour = _colour(low, high, more_is_better)
            axes.plot([low, high], [place, place], color=colour, linewidth=2, solid_capstyle="round")
            axes.plot([difference], [place], "o", color=colour, markersize=5)
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.set_yticks(range(len(rows)), [readable(row[0]) for row in rows])
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.set_xlabel(readable(axis))
        axes.grid(axis="y", visible=False)
    return drawing.svg


def _colour(low: float, high: float, more_is_better: bool) -> str:
    if low <= 0 <= high:
        return MUTED
    return BETTER if (low > 0) is more_is_better else WORSE


def bars(values: Mapping[str, Mapping[str, float]], title: str, *, unit: str = "") -> Markup:
    """Groups of bars: by what is measured, then by subject."""
    names = list(values)
    subjects = [name for name in SUBJECTS if any(name in group for group in values.values())]
    thick = 0.8 / max(1, len(subjects))
    with drawn(title, 0.8 + 0.17 * (len(subjects) + 1) * len(names)) as (drawing, axes):
        for number, subject in enumerate(subjects):
            places = [row + (number - (len(subjects) - 1) / 2) * thick for row in range(len(names))]
            lengths = [values[name].get(subject, 0.0) for name in names]
            axes.barh(places, lengths, height=thick * 0.9, color=SUBJECTS[subject], label=subject)
            for place, name in zip(places, names, strict=True):
                if subject in values[name]:
                    axes.annotate(
                        f"{values[name][subject]:.2f}", (values[name][subject], place), xytext=(3, 0),
                        textcoords="offset points", va="center", fontsize=7, color=MUTED,
                    )  # fmt: skip
        axes.set_yticks(range(len(names)), list(map(readable, names)))
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.margins(x=0.12)
        axes.set_xlabel(readable(unit))
        axes.grid(axis="y", visible=False)
        _legend(drawing, axes)
    return drawing.svg


def _legend(drawing: Drawing, axes: Any) -> None:
    handles, labels = axes.get_legend_handles_labels()
    drawing.figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))


def distributions(values: Mapping[str, Sequence[float]], title: str, unit: str) -> Markup:
    """A violin with a box in it and a histogram, by subject; a sentence where there are no values."""
    subjects = [name for name in SUBJECTS if values.get(name)]
    if not subjects:
        return _without_values(title)
    with drawn(title, 3.1, columns=2) as (drawing, (left, right)):
        data = [list(values[name]) for name in subjects]
        places = range(1, len(subjects) + 1)
        varied = [
            (place, each, name) for place, each, name in zip(places, data, subjects, strict=True) if len(set(each)) > 1
        ]
        if varied:
            parts = left.violinplot(
                [each for _, each, _ in varied], [place for place, _, _ in varied], showextrema=False
            )
            for body, (_, _, name) in zip(parts["bodies"], varied, strict=True):
                body.set(facecolor=SUBJECTS[name], alpha=0.35)
        left.boxplot(
            data, positions=list(places), widths=0.22, medianprops={"color": INK}, boxprops={"color": MUTED},
            whiskerprops={"color": MUTED}, capprops={"color": MUTED},
            flierprops={"marker": ".", "markersize": 3, "markeredgecolor": MUTED},
        )  # fmt: skip
        left.set_xticks(list(places), subjects)
        left.set_ylabel(readable(unit))
        left.grid(axis="x", visible=False)
        edges = np.histogram_bin_edges([value for each in data for value in each], bins=15)
        for name, each in zip(subjects, data, strict=True):
            right.hist(each, bins=edges, color=SUBJECTS[name], alpha=0.45, label=name)
        right.set_xlabel(readable(unit))
        right.set_ylabel("answers")
        _legend(drawing, right)
    return drawing.svg


def _without_values(title: str) -> Markup:
    """What stands in the place of a chart of answers that are no longer kept, as those of a collected version."""
    with drawn(title, 0.5) as (drawing, axes):
        axes.set_axis_off()
        axes.text(0.0, 0.5, "no values to draw: the answers are not kept", va="center")
    return drawing.svg


def heat_map(values: Mapping[str, Mapping[str, float]], title: str) -> Markup:
    """Shares from 0 to 1, by metric and by subject: the fuller the colour, the more."""
    from matplotlib.patches import Rectangle

    names = list(values)
    subjects = [name for name in SUBJECTS if any(name in row for row in values.values())]
    with drawn(title, 0.7 + ROW * 0.85 * len(names)) as (drawing, axes):
        for row, name in enumerate(names):
            for column, subject in enumerate(subjects):
                value = values[name].get(subject)
                if value is not None:
                    share = min(1.0, max(0.0, value))
                    box = Rectangle((column, row), 0.96, 0.9, facecolor=SUBJECTS[subject], alpha=0.08 + 0.72 * share)
                    axes.add_patch(box)
                    axes.text(column + 0.48, row + 0.45, f"{value:.2f}", ha="center", va="center", fontsize=8)
        axes.set_xlim(0, len(subjects))
        axes.set_ylim(len(names), 0)
        axes.set_xticks([place + 0.48 for place in range(len(subjects))], subjects)
        axes.set_yticks([place + 0.45 for place in range(len(names))], list(map(readable, names)))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.grid(visible=False)
        for side in axes.spines.values():
            side.set_visible(False)
    return drawing.svg


def calibration(bins: Mapping[str, Sequence[tuple[float, float, int]]], title: str) -> Markup:
    """Accuracy over confidence, by subject: (mean confidence, accuracy, cases) of each bin."""
    with drawn(title, 3.2) as (drawing, axes):
        axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle="--", label="as sure as right")
        for subject, points in bins.items():
            axes.plot(
                [point[0] for point in points], [point[1] for point in points], "o-", color=SUBJECTS[subject],
                markersize=4, label=subject,
            )  # fmt: skip
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="confidence", ylabel="accuracy")
        _legend(drawing, axes)
    return drawing.svg


def curves(lines: Mapping[str, Sequence[tuple[float, float]]], title: str, x: str, y: str) -> Markup:
    """Lines over steps: by name, (step, value)."""
    colours = [SUBJECTS["live"], SUBJECTS["candidate"], SUBJECTS["base"]]
    with drawn(title, 2.8) as (drawing, axes):
        for (name, points), colour in zip(lines.items(), colours, strict=False):
            style = "o-" if len(points) < 40 else "-"
            axes.plot([p[0] for p in points], [p[1] for p in points], style, color=colour, markersize=3, label=name)
        axes.set(xlabel=x, ylabel=y)
        axes.set_ylim(bottom=0)
        _legend(drawing, axes)
    return drawing.svg


def scatter(points: Mapping[str, Sequence[tuple[str, float, float]]], title: str, names: tuple[str, str]) -> Markup:
    """Two shares of each label, by subject: (label, x, y); `names` are those of the axes x and y."""
    with drawn(title, 3.2) as (drawing, axes):
        for subject, found in points.items():
            axes.plot(
                [point[1] for point in found], [point[2] for point in found], "o", color=SUBJECTS[subject],
                alpha=0.75, markersize=6, label=subject,
            )  # fmt: skip
        axes.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xlabel=names[0], ylabel=names[1])
        _legend(drawing, axes)
    return drawing.svg

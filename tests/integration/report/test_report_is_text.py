"""Whatever stands in feedback, answers and names, on the page it is text: no element, attribute or link comes of it."""

import re
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapterd.evaluation.metrics.chart import ERRORS, F1, PRECISION_AND_RECALL
from adapterd.evaluation.metrics.metric import Metric
from adapterd.evaluation.report import charts, page
from adapterd.evaluation.report.page import Material, render
from tests.support.foreign_text import HOSTILE, acts

NAMES = (
    'x"><script>document.title = 1</script>',
    "x' onmouseover='document.title = 1",
    "--><script>1</script><!--",
    "]]><script>1</script>",
    "</title></style></svg><iframe src='//evil.example'></iframe>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% for x in y %}",
    "&lt;script&gt; &amp; &#60;script&#62;",
    r"a\x",
    r"C:\1",
    r"\g<0>",
    r"$\foo$",
    "cost_$_and_$",
    r"$\mathdefault{x}$ 5$ 6$",
    "_hidden",
    "",
    " ",
    "漢字 👩‍🔬 שלום नमस्ते",
    "very long " * 2000,
    "tab\tline\nline\r\nline",
    "nul \0 \x01 \x0b \ufffe \uffff",
    *HOSTILE,
)
ELEMENTS = frozenset(
    re.findall(
        r"\S+",
        """html head meta title style body header main section h1 h2 h3 p b br div dl dt dd table thead tbody tr th td
        span figure figcaption pre strong svg g path use defs rect line clippath lineargradient stop""",
    )
)
WHOLE = (NAMES[0], NAMES[2], NAMES[8], NAMES[11], "very long " * 2000, "".join(HOSTILE) + "\0\ufffe")


class Parsed(HTMLParser):
    """A page as a browser reads it: its elements and attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def faults(html: str) -> list[object]:
    """Every element that our template has not, every event, every link that leads out of the page, every comment."""
    parsed = Parsed(html)
    bad: list[object] = [tag for tag, _ in parsed.found if tag not in ELEMENTS]
    for tag, attributes in parsed.found:
        for name, value in attributes.items():
            is_link = name in ("href", "xlink:href", "src", "action", "formaction", "data", "poster", "background")
            if name.startswith("on") or (is_link and not (value or "").startswith("#")):
                bad.append((tag, name, value))
            if "url(" in (value or "") and name != "content" and "url(#" not in (value or ""):
                bad.append((tag, name, value))
    return [*bad, "a comment"] if "<!--" in html else bad


def scores(name: str) -> dict[str, Any]:
    metrics = {name: 0.4, f"f1.{name}": 0.5, f"recall.{name}": 0.5, f"precision.{name}": 0.5, f"mae.{name}": 1.0}
    return {"tag": name, "digest": name, "prompts": 2, "metrics": metrics, "latency_s": 1.0, "first_token_s": 0.1}


def material(name: str, text: str) -> Material:
    """A version of which every name and every text is that one."""
    answer = {"text": text, "answer_tokens": 3, "first_token_s": 0.1, "total_s": 1.0}
    subjects = ("candidate", "live", "base")
    case = {
        "id": name, "messages": [{"role": "user", "content": text}], "reference": text, "source": name,
        "answers": dict.fromkeys(subjects, answer),
    }  # fmt: skip
    measured = {"difference": -0.5, "interval": {"low": -0.6, "high": -0.4}, "p": 0.04, "d": 0.3}
    recall, precision = (PRECISION_AND_RECALL.place(name, axis) for axis in ("recall", "precision"))
    places = (None, F1.place(name), recall, precision, ERRORS.place(name))
    values: dict[str, list[float | None]] = {"candidate": [0.1, 1.0], "live": [1.0, 2.0], "base": [0.0, None]}
    return Material(
        model=name, version=name, state=text,
        lineage={
            "base": {"tag": name, "digest": name}, "run": name, "gguf_digest": name, "libraries": {name: name},
            "settings": {"training": {name: text}},
            "stages": {
                "dataset": {"train": {"examples": text}, "records": text, "content_hash": name, "near_duplicates": 2},
                "training": {name: text},
                "merging": {"retention": {"kept": 0.9, "top1": 0.9, "by_type": {name: 0.5}}},
            },
        },
        result={
            "decision": "hold", "reason": text, "evaluation_hash": name,
            "findings": [{"metric": name, "rule": text, "outcome": text, "sentence": text}],
            "scores": {subject: scores(name) for subject in subjects},
            "baselines": {name: {"empty": 0.0, "constant": 0.3}},
            "comparisons": {name: {"live": measured, "base": measured}},
        },
        cases=[case, case],
        metrics={
            metric: Metric(metric, text, lambda *_: None, chart=place)
            for metric, place in zip(scores(name)["metrics"], places, strict=True)
        },
        by_case={name: values, f"mae.{name}": values},
        curve=[{"step": 0, "loss": None, "validation_loss": 1.0, "end_of_turn_loss": 0.5}],
    )  # fmt: skip


@pytest.mark.parametrize("name", WHOLE, ids=lambda name: ascii(name[:24]))
def test_the_whole_page_is_text(name: str) -> None:
    html = render(material(name, name))
    assert faults(html) == []
    assert acts(html) == set()
    assert html.encode().decode() == html
    assert [found for found in Parsed(html).found if found[0] == "svg"], "no chart was drawn"


@given(st.text(st.characters(), max_size=60))
@settings(max_examples=150, deadline=None)
def test_the_page_around_the_charts_is_text(text: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page, "_sections", lambda _: [])
        html = render(material(text, text))
    assert faults(html) == []
    assert acts(html) == set()
    like = [tag for tag, _ in Parsed(html).found]
    assert like == plain_elements()


def plain_elements() -> list[str]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(page, "_sections", lambda _: [])
        return [tag for tag, _ in Parsed(render(material("plain", "plain"))).found]


CHARTS: dict[str, Callable[[str], str]] = {
    "forest": lambda name: charts.forest([(name, 0.1, 0.05, 0.2, True)], name, name),
    "bars": lambda name: charts.bars({name: {"candidate": 1.0}}, name, unit=name),
    "distributions": lambda name: charts.distributions({"candidate": [1, 2, 3]}, name, name),
    "heat_map": lambda name: charts.heat_map({name: {"candidate": 0.5}}, name),
}


@pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)
@given(name=st.text(st.characters(), max_size=40))
@example(name=r"C:\1 $\foo$ \g<9>")
@example(name='"><script>')
@settings(max_examples=4, deadline=None)
def test_any_name_can_be_drawn(draw: Callable[[str], str], name: str) -> None:
    svg = draw(name)
    assert faults(svg) == []
    ((_, attributes),) = [found for found in Parsed(svg).found if found[0] == "svg"]
    assert attributes["aria-label"] == charts.readable(name)


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name[:24]))
def test_names_that_break_charts_are_drawn(name: str) -> None:
    assert faults(charts.heat_map({name: {"candidate": 0.5}}, name)) == []


def test_a_name_is_drawn_as_it_is_written() -> None:
    """Not as a formula: the same signs, whatever stands between two dollars."""
    assert charts.heat_map({"a$b$": {"live": 1.0}}, "t").count("<use ") == charts.heat_map(
        {"a+b+": {"live": 1.0}}, "t"
    ).count("<use ")


def test_names_that_differ_in_signs_only_share_no_ids() -> None:
    html = render(material("a b", "x")) + render(material("a-b", "x"))
    ids = [attributes["id"] for _, attributes in Parsed(html).found if "id" in attributes]
    of_titles = {name.split("-")[1] for name in ids if name and name.startswith("chart-")}
    assert len(of_titles) > len(
        {chart.title for each in page._sections(material("a b", "x")) for chart in each.figures}
    )


def test_scripts_and_links_are_forbidden_before_anything_else_is_read() -> None:
    found = Parsed(render(material("x", "x"))).found
    tags = [tag for tag, _ in found]
    policy = next(attributes for tag, attributes in found if attributes.get("http-equiv") == "Content-Security-Policy")
    assert tags.index("meta") < tags.index("title")
    assert [each for each in found[:4] if each[1] == policy]
    assert (policy["content"] or "").startswith("default-src 'none'; ")
    assert "script-src" not in (policy["content"] or "")


def test_the_template_calls_nothing_safe() -> None:
    template = (Path(page.__file__).parent / "page.html.j2").read_text()
    assert "|safe" not in template.replace(" ", "")
    assert "autoescape" not in template


HERE = """
import sys
from adapterd.evaluation.report import charts
sys.stdout.write(charts.bars({"a": {"live": 1.0}}, "t"))
"""


@pytest.mark.parametrize(
    "settings_there",
    [b"", b"text.usetex: True\nfont.size: 40\nsvg.fonttype: none\n", b"\xff\xfe broken", b"no such: thing"],
)
def test_the_current_folder_has_no_say_in_how_it_is_drawn(tmp_path: Path, settings_there: bytes) -> None:
    (tmp_path / "matplotlibrc").write_bytes(settings_there)
    done = subprocess.run([sys.executable, "-P", "-c", HERE], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == charts.bars({"a": {"live": 1.0}}, "t")

"""What a Prometheus server scrapes: counts of capture, feedback and versions, in its text format. No text of anybody's.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4). What is counted since midnight, or
since the pass-through started, is a counter that begins anew, which `rate()` and `increase()` reckon with.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from adapterd import __version__, config
from adapterd.capture.alerts import alerts
from adapterd.capture.captures import Captures, Counted, Kept
from adapterd.capture.rates import COUNTED_DAYS, day_of, first_day
from adapterd.capture.standing import counts_of, listen_address
from adapterd.config import Settings
from adapterd.errors import AdapterdError, StoreError
from adapterd.home import Home
from adapterd.store import Store

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PASSED = {
    "requests": "Requests that were passed on since capture started.",
    "stored": "Conversations that the recorder has dealt with since capture started.",
    "dropped": "Conversations that were dropped since capture started.",
    "restarts": "Recorders that ended before their work was done since capture started.",
}
"""What the pass-through counts, and what it is."""
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Samples = Iterable[tuple[Mapping[str, str], float]]


@dataclass
class Exposition:
    """Metrics as they are written, one family after the other."""

    lines: list[str] = field(default_factory=list)

    def add(self, name: str, kind: Literal["counter", "gauge"], what: str, samples: Samples) -> None:
        """A family: its name without `adapterd_`, what it is, and its values by their labels; nothing if there is no
        value."""
        named = f"adapterd_{name}"
        values = [f"{named}{_labels(labels)} {value:.17g}" for labels, value in samples]
        if values:
            self.lines += [f"# HELP {named} {what}", f"# TYPE {named} {kind}", *values]

    @property
    def text(self) -> str:
        """The whole page."""
        return "\n".join(self.lines) + "\n"


def exposition(home: Home, clock: Callable[[], float] = time.time) -> str:
    """All metrics of this home. Raises StoreError where the state database cannot be read; what else cannot be read is
    left out, and `adapterd_capture_up` or `adapterd_configuration_up` says so."""
    page = Exposition()
    page.add("build_info", "gauge", "The release of adapterd.", [({"version": __version__}, 1)])
    try:
        settings = config.load(home)
    except AdapterdError:
        settings = None
    page.add("configuration_up", "gauge", "Whether the configuration can be read.", [({}, settings is not None)])
    if settings:
        _add_models(page, home, settings)
        _add_passed(page, counts_of(listen_address(settings)))
    _add_captures(page, home, clock())
    return page.text


def _add_models(page: Exposition, home: Home, settings: Settings) -> None:
    with Store(home.database) as store:
        live = {name: store.versions.deployment(name) for name in sorted(settings.models)}
        records = {name: store.feedback.count(name) for name in live}
        prompts = {name: store.prompts.counts(name).prompts for name in live}
        posts = store.http_traffic.posts()
    page.add("live_version_info", "gauge", "The version that is live.",
             [({"model": name, "version": each.live}, 1) for name, each in live.items() if each])  # fmt: skip
    page.add("feedback_records", "gauge", "Records of feedback.", _by("model", records))
    page.add("pooled_prompts", "gauge", "Prompts without answers in the pool.", _by("model", prompts))
    page.add("http_posts_total", "counter", "Posts of feedback by application.",
             _by("application", {name or "without token": each.posts for name, each in posts.items()}))  # fmt: skip


def _add_passed(page: Exposition, counts: Mapping[str, int] | None) -> None:
    page.add("capture_up", "gauge", "Whether capture answers.", [({}, counts is not None)])
    for name, what in PASSED.items():
        if counts and name in counts:
            page.add(f"capture_{name}_total", "counter", what, [({}, counts[name])])
    if counts and "waiting" in counts:
        page.add("capture_waiting", "gauge", "Conversations that wait to be recorded.", [({}, counts["waiting"])])


def _add_captures(page: Exposition, home: Home, now: float) -> None:
    if not home.captures.is_file():
        return
    try:
        with Captures(home.captures) as captures:
            kept, left_out, counted = (
                captures.kept(),
                captures.left_out(),
                captures.counted(first_day(now, COUNTED_DAYS)),
            )
    except StoreError:
        page.add("capture_records_up", "gauge", "Whether recorded conversations can be read.", [({}, 0)])
        return
    page.add("capture_records_up", "gauge", "Whether recorded conversations can be read.", [({}, 1)])
    _add_kept(page, kept, left_out)
    today = day_of(now)
    _add_rates(page, [each for each in counted if each.day == today])
    open_ = [each for each in alerts(counted, today) if each.is_open]
    page.add("capture_alert", "gauge", "Rates of faults that have left their band.",
             [({"model": each.model, "fault": each.fault}, 1) for each in open_])  # fmt: skip


def _add_kept(page: Exposition, kept: Kept, left_out: Mapping[str, int]) -> None:
    page.add("capture_records", "gauge", "Recorded conversations.", [({}, kept.count)])
    page.add("capture_record_bytes", "gauge", "Bytes of the texts of recorded conversations.", [({}, kept.bytes)])
    page.add("capture_left_out_total", "counter", "Conversations that were not recorded.", _by("reason", left_out))


def _add_rates(page: Exposition, counted: Iterable[Counted]) -> None:
    found = [({"model": each.model, "digest": each.digest}, each) for each in counted]
    page.add("capture_answers_total", "counter", "Answers since midnight.",
             [(labels, each.answers) for labels, each in found])  # fmt: skip
    page.add(
        "capture_faults_total", "counter", "Answers with a fault since midnight.",
        [({**labels, "fault": fault}, count) for labels, each in found for fault, count in sorted(each.faults.items())],
    )  # fmt: skip


def _by(label: str, values: Mapping[str, float]) -> Iterator[tuple[Mapping[str, str], float]]:
    return (({label: name}, value) for name, value in values.items())


def _labels(labels: Mapping[str, str]) -> str:
    inner = ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""

"""Quarantine: what could not be used, what its fields mean, and what is held for secrets or personal data."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from starlette.responses import Response

from adapterd.config.keys import write_value
from adapterd.deployment.config_file import set_setting
from adapterd.errors import InputError
from adapterd.feedback.formats import reading_options
from adapterd.feedback.ways_on import named_in
from adapterd.intake.screening import held_records
from adapterd.intake.screening import release as let_go
from adapterd.page.desk import Desk, go
from adapterd.page.forms import number
from adapterd.store.feedback import Quarantined

OUR_FIELDS = (
    "rating", "correction", "output", "prompt", "messages", "rejected_output", "failure_tags", "correction_notes",
    "label", "system", "input", "history",
)  # fmt: skip
IGNORE = "ignore"
MOST_GROUPS, MOST_PIECES = 100, 5


@dataclass(frozen=True)
class Group:
    """Pieces that the same declaration of fields may mend: `fields` are theirs, each with what it may be."""

    pieces: list[Quarantined]
    fields: list[tuple[str, str]]
    scale: bool

    @property
    def shown(self) -> Iterator[tuple[Quarantined, str]]:
        """The first of them, each with the name of its file."""
        return ((each, Path(each.file).name) for each in self.pieces[:MOST_PIECES])


def show(desk: Desk) -> str:
    """GET /feedback/MODEL/quarantine."""
    groups = _groups(desk.store.feedback.quarantined(desk.model))
    held = held_records(desk.store, desk.model, desk.model_settings.feedback)
    return desk.page(
        "quarantine", "Quarantine", groups=groups[:MOST_GROUPS], more=len(groups[MOST_GROUPS:]), held=held,
        ours=OUR_FIELDS, ignore=IGNORE, said=desk.entry.unseal(desk.query.get("said", "")) or "",
    )  # fmt: skip


def release(desk: Desk) -> Response:
    """POST /feedback/MODEL/release: have a record taught that is held for secrets or personal data."""
    let_go(desk.store, desk.model, desk.model_settings.feedback, [number(desk.form.text("record"))])
    return go(f"/feedback/{desk.model}/quarantine")


def declare(desk: Desk) -> Response:
    """POST /feedback/MODEL/fields: say what fields mean in all feedback of the model, which is then read again. All of
    it is checked before any is written."""
    settings = desk.model_settings.feedback
    given = list(zip(desk.form.all("field"), desk.form.all("means"), strict=False))
    declared = [(field.strip(), means) for field, means in given if field.strip() and means]
    scale = desk.form.text("scale").strip() or None
    if not declared and not scale:
        raise InputError("nothing is said of any field", hint="name a field, and choose what it means")
    fields, ignored = dict(settings.fields), set(settings.ignore)
    for field, means in declared:
        if means == IGNORE:
            ignored.add(field)
        elif fields.setdefault(means, field) != field:
            raise InputError(
                f"{means} is {fields[means]} in the settings already",
                hint=f"adapterctl config set -m {desk.model} feedback.fields.{means} {field} takes its place",
            )
    reading_options(replace(settings, fields=fields, ignore=frozenset(ignored), scale=scale or settings.scale))
    changes: dict[tuple[str, ...], object] = {
        ("fields", ours): theirs for ours, theirs in fields.items() if settings.fields.get(ours) != theirs
    }
    if ignored != settings.ignore:
        changes["ignore",] = sorted(ignored)
    if scale:
        changes["scale",] = scale
    for path, value in changes.items():
        set_setting(desk.home, ("models", desk.model, "feedback", *path), write_value(value))
    return go(f"/feedback/{desk.model}/quarantine?said={desk.entry.seal(_in_words(declared, scale))}")


def _in_words(declared: Iterable[tuple[str, str]], scale: str | None) -> str:
    said = [f"{field} means nothing" if means == IGNORE else f"{field} is read as {means}" for field, means in declared]
    scales = [f"ratings are on a scale of {scale}"] if scale else []
    return f"{', '.join([*said, *scales])} from now on; the daemon, or the next run, reads the files again"


def _groups(pieces: list[Quarantined]) -> list[Group]:
    """The pieces by what may mend them, the most first."""
    found: dict[object, Group] = {}
    for piece in pieces:
        ways = named_in(piece.reason)
        meant = {theirs: ours for ours, theirs in ways.fields}
        fields = list(meant.items())
        fields += [(theirs, IGNORE) for theirs in ways.ignore if theirs not in meant]
        fields += [(theirs, "") for theirs in ways.others if theirs not in meant]
        key = (*fields, ways.scale) if fields else piece.reason
        found.setdefault(key, Group([], fields, ways.scale)).pieces.append(piece)
    return sorted(found.values(), key=lambda each: -len(each.pieces))

"""Templates: whatever stands in them is escaped, and what would act in a text of somebody else's is shown instead."""

from datetime import datetime
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from adapterd import __version__
from adapterd.printable import printable_lines


class Verbatim(str):
    """A text that reaches the page to the last character, for a field in which it is edited."""

    __slots__ = ()


def rendered(template: str, **values: Any) -> str:
    """The template's page with these values. Texts are data: escaped, and without characters that act."""
    return _environment().get_template(f"{template}.html.j2").render(**values)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("adapterd.page"), autoescape=True, undefined=StrictUndefined, finalize=_visible,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    made.globals["release"] = __version__
    made.filters |= {"moment": moment, "percent": percent, "verbatim": Verbatim}
    return made


def moment(at: datetime | float | None) -> str:
    """A time as people here read it; empty of none."""
    if at is None:
        return ""
    local = (at if isinstance(at, datetime) else datetime.fromtimestamp(at).astimezone()).astimezone()
    return f"{local:%Y-%m-%d %H:%M}"


def percent(share: float | None) -> str:
    """A share of 1 in per cent; a dash of none."""
    return "–" if share is None else f"{share:.0%}"


def _visible(value: Any) -> Any:
    if value is None:
        return ""
    return value if isinstance(value, (Markup, Verbatim)) else printable_lines(value)

"""How the rates of faults are shown."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from adapterctl.output import Styled, say, table

if TYPE_CHECKING:
    from adapterd.capture.rates import Rate
    from adapterd.capture.standing import Standing

DAYS_SHOWN = 7
"""Days of which rates are shown; --json has all."""
FIRST_CHARACTERS = 12
"""Of a digest, as `ollama list` shows it."""


def show_rates(found: "Standing") -> None:
    """The alerts, then the rates of each file of a model, then of the last days; nothing where nothing was answered."""
    for alert in found.alerts:
        say(Styled(f"alert: {alert.text}", "yellow"))
    if not found.answers:
        return
    say()
    answered = ", ".join(f"{model} {count}" for model, count in found.answers.items())
    say(f"answers since {found.since}: {answered}")
    if not found.versions:
        say("none of them has a fault that shows by itself")
        return
    say("faults, with 95 % intervals:")
    table(
        ["MODEL", "FILE", "FAULT", "ANSWERS", "RATE", "INTERVAL"],
        [
            (each.model, (each.digest or "not known")[:FIRST_CHARACTERS], *_cells(each))
            for each in found.versions
        ],
        empty="",
    )  # fmt: skip
    say()
    table(
        ["DAY", "MODEL", "FAULT", "ANSWERS", "RATE", "INTERVAL"],
        [(each.day, each.model, *_cells(each)) for each in _last_days(found.by_day)],
        empty="",
    )


def _last_days(rates: "Sequence[Rate]") -> "Iterable[Rate]":
    last = sorted({str(each.day) for each in rates})[-DAYS_SHOWN:]
    return (each for each in rates if each.day in last and each.count)


def _cells(rate: "Rate") -> tuple[str, str, str, str]:
    between = f"{rate.low:.1%} to {rate.high:.1%}".replace("%", " %")
    return rate.fault, f"{rate.count} of {rate.answers}", f"{rate.share:.1%}".replace("%", " %"), between

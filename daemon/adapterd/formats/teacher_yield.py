"""How much of what teachers made was kept, in numbers and in a sentence: in a run's plan, a data card, and messages."""

from collections.abc import Mapping
from typing import Any


def teacher_yield(
    made: int, kept: int, dropped: Mapping[str, int], *, unsure: int = 0, formless: int = 0, unjudged: int = 0
) -> dict[str, Any]:
    """The numbers as plain values. `dropped` counts by what is said of these, `unsure` are to be looked at by a person,
    `unjudged` wait for the judge, and `formless` answers, which are not among those that were made, had not the form
    that was asked for."""
    return {
        "made": made, "kept": kept, "dropped": dict(dropped), "unsure": unsure, "formless": formless,
        "unjudged": unjudged,
    }  # fmt: skip


def in_words(found: Mapping[str, Any]) -> str:
    """`312 made, 41 kept: 118 not by the schema, 90 near a frozen set; 3 to be looked at, 5 wait for the judge`"""
    dropped = ", ".join(f"{count} {said}" for said, count in found["dropped"].items() if count)
    waiting = found.get("unjudged", 0)  # an earlier release noted none
    ends = ((found["unsure"], "to be looked at"), (waiting, "wait for the judge"))
    looked = ", ".join(f"{count} {said}" for count, said in ends if count)
    formless = f"{found['formless']} answers had not the form that was asked for" if found["formless"] else ""
    begun = f"{found['made']} made, {found['kept']} kept"
    rest = "; ".join(part for part in (dropped, looked) if part)
    return "; ".join(part for part in (f"{begun}: {rest}" if rest else begun, formless) if part)

"""The options that say how feedback files are to be read, and what follows from them."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from adapterd.feedback.formats import ReadingOptions


def reading_of_file(command: Any) -> Any:
    """The options that say how the given records are to be read."""
    for option in (
        click.option("--ignore", "ignored", multiple=True, metavar="NAME", help="A field that means nothing."),
        click.option("--scale", metavar="LOW..HIGH", help="Scale of the ratings from bad to good, as in 1..10."),
        click.option("--map", "mapped", multiple=True, metavar="OURS=THEIRS", help="A field under its other name."),
    ):
        command = option(command)
    return command


def read_options(mapped: tuple[str, ...], scale: str | None, ignored: tuple[str, ...]) -> "ReadingOptions":
    """What was said of the fields and the scale of the given records; raises InputError."""
    from adapterd.errors import InputError
    from adapterd.feedback.formats import ReadingOptions, checked

    fields = {}
    for each in mapped:
        ours, found, theirs = each.partition("=")
        if not found or not ours or not theirs:
            raise InputError(f"{each!r} is not OURS=THEIRS", hint="--map rating=score")
        if ours in fields:
            raise InputError(f"{ours} is mapped twice", hint="say it once, or name one of them otherwise in the file")
        fields[ours] = theirs
    return checked(ReadingOptions.of(fields, scale, ignored))

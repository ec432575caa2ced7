"""Logs without the texts that were removed."""

import random
import time
from pathlib import Path

import pytest

from adapterd.config import Settings
from adapterd.home import Home
from adapterd.removal.in_files import logs
from adapterd.removal.removed import Removed, Scene
from adapterd.removal.texts import Texts, folded
from adapterd.store import Store
from tests.unit.removal.conftest import MODEL

LETTER = "Dear Jane Doe,\nyou owe us 300 euros.\n\nYours, the bank"
NONE = frozenset[str]()


@pytest.fixture
def scene(store: Store, home: Home, settings: Settings) -> Scene:
    """A letter of several lines goes, a short answer, and a name wherever it stands."""
    texts = Texts(frozenset({LETTER, "no"}), (folded("Erika Mustermann"),))
    return Scene(store, home, settings, Removed(MODEL, NONE, NONE, texts, NONE, NONE, NONE, NONE))


def cleaned(scene: Scene, said: str) -> str:
    """What is left in the log of the daemon; a second look finds nothing in it."""
    log = scene.home.logs / "adapterd.log"
    log.write_text(said)
    assert list(logs(scene, change=True)) == [str(Path("logs") / log.name)]
    left = log.read_text()
    assert not scene.removed.has_text(left.encode())
    assert list(logs(scene, change=True)) == []
    return left


def test_a_text_of_several_lines_goes_with_all_of_them(scene: Scene) -> None:
    assert cleaned(scene, f"begun\nasked: {LETTER} (failed)\nended\n") == "begun\nended\n"


def test_a_text_goes_wherever_it_stands_and_however_often(scene: Scene) -> None:
    lines = [f"line {number}\n" for number in range(300)]
    draw = random.Random(7)
    said = list(lines)
    for _ in range(40):
        said.insert(draw.randrange(len(said) + 1), f"{LETTER}\n")
    assert cleaned(scene, "".join(said)) == "".join(lines)


@pytest.mark.parametrize("said", ["by Erika\nMustermann", "by Erika\r\n \tMustermann, again", "Erika\n\nMustermann"])
def test_a_name_that_is_divided_by_the_end_of_a_line_goes(scene: Scene, said: str) -> None:
    assert cleaned(scene, f"begun\n{said}\nended\n") == "begun\nended\n"


def test_what_lines_say_together_once_others_are_cut_goes_as_well(scene: Scene) -> None:
    assert cleaned(scene, f"begun\nErika\n{LETTER}\nMustermann\nended\n") == "begun\nended\n"


def test_a_short_text_that_is_all_of_a_log_goes(scene: Scene) -> None:
    assert cleaned(scene, "\n\nno\n\n") == "\n\n\n"


def test_other_lines_stay_and_a_log_without_the_text_is_not_written(scene: Scene) -> None:
    log = scene.home.logs / "adapterd.log"
    log.write_text("Dear Jane Doe,\nyou owe us nothing\nErika\nand Mustermann\n")
    before = log.stat()
    assert list(logs(scene, change=True)) == []
    assert log.stat() == before


def test_a_log_with_the_text_in_many_places_takes_no_quadratic_time(scene: Scene) -> None:
    started = time.perf_counter()
    assert cleaned(scene, f"a line that stays\n{LETTER}\n" * 3000) == "a line that stays\n" * 3000
    assert time.perf_counter() - started < 20, "it takes minutes if all of the log is searched for each of them"

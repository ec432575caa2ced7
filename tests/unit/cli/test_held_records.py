"""adapterctl feedback quarantine and release: what is held for secrets and personal data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from adapterd.errors import NotFoundError
from adapterd.home import Home

Command = Callable[..., Result]
ADDRESS = "jane.unmistakable@example.org"


@pytest.fixture(autouse=True)
def two_records(home: Home, adapterctl: Command, tmp_path: Path) -> None:
    """A model with two records, of which the second one has an address."""
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n')
    home.inbox("m").mkdir(parents=True)
    file = tmp_path / "given.jsonl"
    file.write_text(
        '{"prompt": "Who met?", "output": "The mayor.", "correction": "The council."}\n'
        f'{{"prompt": "Whom do I ask?", "output": "Nobody.", "correction": "Ask {ADDRESS}."}}\n'
    )
    adapterctl("feedback", "import", str(file))


def test_held_record_is_listed_without_what_was_found(adapterctl: Command, as_json: Callable[..., Any]) -> None:
    said = adapterctl("feedback", "quarantine").stdout
    assert "held: it has an e-mail address" in said
    assert "Ask [email]." in said
    assert "unmistakable" not in said
    (held,) = as_json("feedback", "quarantine")
    assert (held["kind"], held["id"], held["kinds"]) == ("held", 2, ["email"])
    assert "unmistakable" not in str(held)


def test_released_record_leaves_the_list(adapterctl: Command) -> None:
    assert adapterctl("feedback", "release", "2").stdout == "record 2 may be taught (email): Ask [email].\n"
    assert adapterctl("feedback", "quarantine").stdout == "nothing is in quarantine\n"


def test_all_held_records_are_released_at_once(adapterctl: Command, as_json: Callable[..., Any]) -> None:
    assert [each["id"] for each in as_json("feedback", "release", "--all")] == [2]
    assert adapterctl("feedback", "release", "--all").stdout == "nothing is held\n"


def test_rule_releases_what_it_names(adapterctl: Command, home: Home) -> None:
    with home.config_file.open("a") as config:
        config.write('[models.m.feedback]\nallow = ["*@example.org"]\n')
    assert adapterctl("feedback", "quarantine").stdout == "nothing is in quarantine\n"


def test_release_wants_ids_of_held_records(adapterctl: Command) -> None:
    with pytest.raises(NotFoundError, match="record 1 is not held"):
        adapterctl("feedback", "release", "1")
    with pytest.raises(click.UsageError, match="give IDs, or --all"):
        adapterctl("feedback", "release")


def test_list_says_what_is_held(adapterctl: Command, as_json: Callable[..., Any]) -> None:
    adapterctl("feedback", "quarantine")
    assert "held (example + preference)" in adapterctl("feedback", "list").stdout
    assert [each["held"] for each in as_json("feedback", "list")] == [True, False]


def test_record_is_shown_as_held(adapterctl: Command, as_json: Callable[..., Any]) -> None:
    adapterctl("feedback", "quarantine")
    assert "it has an e-mail address" in adapterctl("feedback", "show", "2").stdout
    assert [as_json("feedback", "show", number)["held"] for number in ("1", "2")] == [False, True]


def test_record_is_shown_as_it_is_listed(as_json: Callable[..., Any]) -> None:
    (listed,) = (each for each in as_json("feedback", "list") if each["id"] == 1)
    found = as_json("feedback", "show", "1")
    assert (found["teaches"], found["reason"]) == (listed["teaches"], listed["reason"])

"""adapterctl versions and label."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result

from adapterd.home import Home
from adapterd.store import Store
from adapterd.store.versions import VersionState

Command = Callable[..., Result]


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """A model with one version, which is live."""
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n')
    with Store(home.database) as opened:
        opened.versions.add("m", "1.0.0", run_id="r", digest="d", base_digest="sha256:00")
        metrics = {"scores": {"candidate": {"metrics": {"token_f1": 0.8125}}}}
        opened.versions.set_state("m", "1.0.0", VersionState.PROMOTED, "better", metrics)
        opened.versions.deploy("m", "promote", live="1.0.0", live_digest="d")
        yield opened


def test_versions_are_listed_side_by_side(adapterctl: Command, store: Store) -> None:
    adapterctl("label", "1.0.0", "the first")
    head, line = adapterctl("versions").stdout.splitlines()
    assert head.split() == ["VERSION", "STATE", "WHEN", "BASE", "PRIMARY", "SCORE", "SIZE", "PIN", "LABEL"]
    for cell in ("1.0.0", "promoted (live)", "just now", "token_f1 0.81", "the first"):
        assert cell in line


def test_a_model_without_versions_says_how_to_make_one(adapterctl: Command, home: Home) -> None:
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "d"\n')
    assert adapterctl("versions").stdout == "m has no version yet; `adapterctl retrain` makes one\n"


def test_programs_get_every_value(as_json: Callable[..., Any], store: Store) -> None:
    (row,) = as_json("versions", "m")
    assert row["primary"] == {"metric": "token_f1", "value": 0.8125, "gain": None}
    assert (row["role"], row["pinned"], row["label"], row["size_bytes"]) == ("live", False, None, 0)


def test_a_label_is_given_and_taken_away(adapterctl: Command, as_json: Callable[..., Any], store: Store) -> None:
    assert adapterctl("label", "1.0.0", "the first").stdout == "m 1.0.0 is now called the first\n"
    assert as_json("label", "1.0.0", "another")["label"] == "another"
    assert adapterctl("label", "1.0.0", "").stdout == "m 1.0.0 has no label any more\n"

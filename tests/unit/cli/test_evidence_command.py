"""adapterctl evidence, challenger and watch, and what status says of them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from adapterctl.main import cli
from adapterd import config
from adapterd.errors import InputError, NotFoundError
from adapterd.home import Home
from adapterd.insight import status as status_module
from adapterd.store import Store
from adapterd.store.evidence.comparisons import ComparisonState, Counts, Purpose
from adapterd.store.versions import VersionState
from tests.support.compared_versions import add_night, begin
from tests.support.fakes import FakeRuntime

Command = Callable[..., Result]


@pytest.fixture
def store(home: Home) -> Iterator[Store]:
    """1.2.0 is live, watched against 1.1.0, and 1.3.0 is its challenger after two nights."""
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "d"\n')
    with Store(home.database) as opened:
        for number in ("1.1.0", "1.2.0", "1.3.0"):
            opened.versions.add("m", number, run_id="r", digest=f"d-{number}", base_digest="d")
        opened.versions.deploy("m", "promote", live="1.2.0", live_digest="d-1.2.0", previous="1.1.0")
        challenge = begin(opened)
        opened.versions.set_state("m", "1.3.0", VersionState.CHALLENGER, "not proven")
        opened.comparisons.set_budget("m", Purpose.CHALLENGE, 0.0125, 0.0125)
        add_night(opened, challenge, [0.2, 0.1, 0.3])
        add_night(opened, challenge, [0.1, 0.1])
        add_night(opened, challenge, [0.9], counts=Counts.SHOWN)
        add_night(opened, begin(opened, "1.1.0", "1.2.0", purpose=Purpose.WATCH), [-0.1] * 4)
        yield opened


def test_evidence_shows_where_the_challenger_stands_night_by_night(adapterctl: Command, store: Store) -> None:
    shown = adapterctl("evidence").stdout
    for words in (
        "challenger 1.3.0 against 1.2.0, which is live", "0.160 better than 1.2.0 on 5 fresh cases",
        "5 fresh cases, 0 votes", "1 correction of what one of the two had answered (+0.900)", "field_f1 +0.160",
        "guard rail json_valid", "watched against 1.1.0",
        "error budget: 0.0125 of 0.05 a year is left, 0.0125 is staked",
    ):  # fmt: skip
        assert words in shown
    nights = [line.split() for line in shown.splitlines() if line.rstrip().endswith("%")]
    assert [line[1:3] for line in nights] == [["3", "+0.200"], ["2", "+0.100"], ["0", "1"], ["4", "-0.100"]]


def test_programs_get_all_of_it(as_json: Callable[..., Any], store: Store) -> None:
    found = as_json("evidence", "m")
    assert found.keys() == {
        "model", "live", "open", "ended", "budgets", "waiting", "why_none", "what_to_do", "picture",
    }  # fmt: skip
    watch, challenge = sorted(found["open"], key=lambda each: str(each["version"]))
    assert (watch["purpose"], challenge["purpose"]) == ("watch", "challenge")
    assert (challenge["version"], challenge["against"], challenge["standing"]["cases"]) == ("1.3.0", "1.2.0", 5)
    assert [night["cases"] for night in challenge["nights"]] == [3, 2, 0]


def test_the_picture_is_written_where_it_is_wanted(adapterctl: Command, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "season.svg"
    assert f"drawn: {file}" in adapterctl("evidence", "--picture", str(file)).stdout
    assert "Is 1.3.0 better than 1.2.0?" in file.read_text()
    with pytest.raises(InputError, match=r"season\.gif is no name of an SVG file"):
        adapterctl("evidence", "--picture", str(tmp_path / "season.gif"))


def test_where_nothing_is_compared_it_says_why(adapterctl: Command, home: Home) -> None:
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "d"\n')
    assert "no challenger: nothing was ever live\n  adapterctl init m --base TAG\n" in adapterctl("evidence").stdout


def test_a_dropped_challenger_gives_back_its_stake_and_does_not_begin_again(adapterctl: Command, store: Store) -> None:
    assert adapterctl("challenger", "drop", "--yes").stdout.startswith("m 1.3.0 is dropped")
    assert store.comparisons.open("m", Purpose.CHALLENGE) is None
    (ended,) = [each for each in store.comparisons.all("m") if each.purpose is Purpose.CHALLENGE]
    assert (ended.state, ended.reason) == (ComparisonState.DROPPED, "by hand")
    version = store.versions.get("m", "1.3.0")
    assert version is not None
    assert (version.state, version.reason) == (VersionState.DROPPED, "dropped: by hand")
    left = store.comparisons.budget("m", Purpose.CHALLENGE)
    assert left is not None
    assert left[0] == pytest.approx(0.025)
    assert left[1] == 0.0
    assert store.events.latest()[0].kind == "challenger.dropped"
    with pytest.raises(NotFoundError, match="m has no challenger"):
        adapterctl("challenger", "drop", "--yes")


def test_nothing_is_dropped_without_a_yes(home: Home, store: Store) -> None:
    with pytest.raises(click.Abort):
        CliRunner().invoke(cli, ["challenger", "drop"], input="n\n", catch_exceptions=False, standalone_mode=False)
    assert store.comparisons.open("m", Purpose.CHALLENGE) is not None


def test_the_watch_is_set_off_and_on_in_the_configuration(
    adapterctl: Command, as_json: Callable[..., Any], home: Home, store: Store
) -> None:
    assert adapterctl("watch", "off").stdout.startswith("m: the watch is off; what is proven to be worse is not taken")
    assert config.load(home).models["m"].watch.auto_rollback is False
    assert as_json("watch", "on", "m") == {"model": "m", "auto_rollback": True, "changed": True}
    assert config.load(home).models["m"].watch.auto_rollback is True
    assert "is on already" in adapterctl("watch", "on").stdout


def test_status_tells_who_waits_and_what_the_watch_sees(
    adapterctl: Command, as_json: Callable[..., Any], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "runtime_for", lambda settings, home: FakeRuntime())
    shown = adapterctl("status").stdout
    assert "1.3.0 waits: 0.160 better than 1.2.0 on 5 fresh cases, " in shown
    assert "watched against 1.1.0 since " in shown
    assert "0.100 better than before on 4 fresh cases, no sign against it" in shown
    (model,) = as_json("status")["models"]
    assert (model["challenger"]["version"], model["challenger"]["against"]) == ("1.3.0", "1.2.0")
    assert 0 < model["challenger"]["way"] < 1
    assert (model["watch"]["version"], model["watch"]["way"]) == ("1.1.0", 0.0)


def test_what_is_proven_to_be_worse_and_still_live_needs_attention(
    as_json: Callable[..., Any], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_module, "runtime_for", lambda settings, home: FakeRuntime())
    said = "which is proven; `adapterctl rollback m` goes back"
    assert not any(said in fault for fault in as_json("status")["faults"])
    watch = store.comparisons.open("m", Purpose.WATCH)
    assert watch is not None
    add_night(store, watch, [0.8] * 60, rail=0.5)
    assert any(said in fault for fault in as_json("status")["faults"])


def test_a_list_of_versions_shows_the_challenger(adapterctl: Command, store: Store) -> None:
    assert "challenger" in adapterctl("versions").stdout
    assert "not proven" in adapterctl("show", "1.3.0").stdout

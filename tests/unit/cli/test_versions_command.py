"""adapterctl versions and label."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from click.testing import Result

from adapterd.errors import InputError
from adapterd.home import Home
from adapterd.review.marking import Marking
from adapterd.store import Store
from adapterd.store.versions import VersionState
from tests.support.kept_answers import keep_answers

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


@pytest.mark.parametrize("field", ["base", "stages", "settings"])
def test_lineage_with_an_empty_field_is_named(adapterctl: Command, home: Home, store: Store, field: str) -> None:
    folder = home.version("m", "1.0.0")
    folder.mkdir(parents=True)
    names = ("adapterd", "libraries", "run", "base", "gguf_digest", "settings", "stages")
    lineage: dict[str, object] = {key: {} for key in names} | {"base": {"tag": "tiny:1"}, field: None}
    (folder / "lineage.json").write_text(json.dumps(lineage))
    with pytest.raises(InputError, match=r"lineage\.json is damaged"):
        adapterctl("show", "1.0.0")


@pytest.mark.parametrize(
    ("unused", "said"),
    [
        ({"unused": 8}, "rank 4 on 12 modules, 8 left out, as the base has no use for them"),
        ({}, "rank 4 on 12 modules"),
    ],
)
def test_modules_that_a_registered_adapter_had_for_nothing_are_counted(
    adapterctl: Command, home: Home, store: Store, unused: dict[str, int], said: str
) -> None:
    """Versions of older releases do not know of any."""
    store.versions.set_state("m", "1.0.0", VersionState.HELD, "no better", {})
    (folder := home.version("m", "1.0.0")).mkdir(parents=True)
    stages = {
        "importing": {"rank": 4, "modules": 12, **unused},
        "dataset": {},
        "merging": {"touched": 12, "tensors": {"total": 60}, "retention": None},
    }
    given = {"source": "peft", "format": "peft", "digest": "sha256:11"}
    names = ("adapterd", "libraries", "run", "gguf_digest", "settings")
    lineage: dict[str, object] = {key: {} for key in names}
    lineage |= {"base": {"tag": "tiny:1"}, "stages": stages, "given": given}
    (folder / "lineage.json").write_text(json.dumps(lineage))
    assert [line.split("  ")[-1].strip() for line in adapterctl("show", "1.0.0").stdout.splitlines()].count(said) == 1


def test_show_tells_what_people_marked(
    adapterctl: Command, as_json: Callable[..., Any], home: Home, store: Store
) -> None:
    store.versions.set_metrics("m", "1.0.0", {})
    assert "people marked" not in adapterctl("show", "1.0.0").stdout
    assert as_json("show", "1.0.0")["by_people"]["topic_drift"] == {"value": None, "low": 0.0, "high": 1.0, "cases": 0}
    keep_answers(home, "m", "1.0.0", [(f"question {n}", "It rains.", {"candidate": "It does."}) for n in range(4)])
    marking = Marking.of(store, "m", "1.0.0")
    for number, item in enumerate(marking.items.values()):
        marking.mark(item, [0] if number else [], on_topic=number != 1)
    shown = adapterctl("show", "1.0.0").stdout
    assert re.search(r"fact_coverage +75% \(\d+% to \d+%\) by 4 marked cases", shown)
    assert re.search(r"topic_drift +25% \(5% to 70%\) by 4 marked cases", shown)
    found = as_json("show", "1.0.0")["by_people"]
    assert (found["fact_coverage"]["value"], found["topic_drift"]["value"], found["outdated"]) == (0.75, 0.25, 0)

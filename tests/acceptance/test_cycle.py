"""The main job: feedback becomes a version, the version goes live, and is taken back; on each runtime.

With so little training either verdict is legal, so the tests do not ask for one of them.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapterd.base.gguf.gguf_file import GgufFile
from adapterd.home import Home
from adapterd.merging.verify import compare_tensors
from adapterd.serving.runtimes import file_digest
from tests.acceptance.conftest import begin, feed
from tests.acceptance.person import MODEL, Person, Said, write_news
from tests.support.real_ollama import OLLAMA

FIRST = "1.0.0"
RECORDS, BROKEN = 12, 5
STAGES = ["dataset", "training", "merging", "serving", "evaluation"]
VERDICTS = ("promoted", "held")
SAMPLED = ("evaluation.consistency_seeds=3",)
"""As it is by default. The guard set has hundreds of items: tests/unit/runs/test_served_prompts.py asks it."""


@pytest.fixture(scope="module", params=["embedded", OLLAMA])
def first_run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> "tuple[Person, Said]":
    """Somebody whose first run is over, and what they saw of it: SmolLM2 on Ollama, a tiny model embedded."""
    folder = tmp_path_factory.mktemp("cycle")
    person = Person(Home(folder / "home"))
    if request.param == "ollama":
        host = request.getfixturevalue("ollama_host")
        begin(person, request.getfixturevalue("smollm2_path"), "--host", host)
    else:
        begin(person, request.getfixturevalue("tiny_path"), "--runtime", "embedded", changes=SAMPLED)
    feed(person, folder / "application", count=RECORDS)
    return person, person.run("retrain")


@pytest.fixture
def person(first_run: "tuple[Person, Said]") -> Person:
    return first_run[0]


@contextmanager
def live(person: Person) -> Iterator[None]:
    """With the first version live, whatever the verdict was; afterwards the base is."""
    if person.json("status")["models"][0]["live"] != FIRST:
        assert person.run("promote", FIRST, "--force", "--yes").code == 0
    yield
    if person.json("status")["models"][0]["live"] == FIRST:
        assert person.run("rollback").code == 0


def events(person: Person) -> list[tuple[str, str]]:
    return [(event["kind"], event["text"]) for event in person.json("history", "--limit", "1000")]


def files_of(person: Person) -> tuple[Path, Path]:
    """The base's file and the version's, as they are served."""
    runtime = person.runtime()
    base, made = (runtime.show(f"{MODEL}:{name}").gguf for name in ("base", FIRST))
    assert base is not None
    assert made is not None
    return base, made


def test_a_run_ends_with_a_verdict(first_run: tuple[Person, Said]) -> None:
    _, said = first_run
    assert said.code == 0, said
    told = (f"{MODEL} {FIRST} {verdict}: " for verdict in (*VERDICTS, "not proven"))
    assert any(each in said.stdout for each in told), said.stdout
    assert "CANDIDATE" in said.stdout
    assert [line.split()[0] for line in said.stderr.splitlines() if " done in " in line] == STAGES


def test_status_tells_where_things_stand(person: Person) -> None:
    found = person.json("status")
    assert found.keys() == {
        "home", "daemon_running", "daemon_release", "daemon_why_not", "other_release", "runtime", "models", "http",
        "faults", "capture",
    }  # fmt: skip
    assert found["runtime"].keys() == {"name", "version", "fault", "hint", "address", "address_from", "note"}
    assert (found["daemon_running"], found["runtime"]["fault"]) == (False, None)
    [model] = found["models"]
    assert model.keys() == {
        "name", "base", "live", "live_since", "previous", "served_as_recorded", "newest", "newest_state",
        "newest_reason", "run", "records", "new_records", "min_new_records", "quarantined", "oldest_new", "schedule",
        "next_run", "due_reason", "due", "due_since", "blocked_by", "paused", "base_drift", "held", "prompts", "enough",
        "removing", "live_removed", "live_fault", "live_hint", "base_fault", "unreadable", "live_base", "previous_base",
        "challenger", "watch", "next_takes", "teaching",
    }  # fmt: skip
    assert model["next_takes"]["by"] == model["run"]["id"]
    assert model["next_takes"]["seconds"] > 0
    assert (model["name"], model["newest"], model["served_as_recorded"]) == (MODEL, FIRST, True)
    assert (model["records"], model["new_records"], model["quarantined"]) == (RECORDS, 0, BROKEN)
    assert model["run"].keys() == {
        "id", "version", "state", "stage", "share", "progress", "error", "hint", "since", "attempts", "retry_at",
    }  # fmt: skip
    assert (model["run"]["version"], model["run"]["stage"], model["run"]["error"]) == (FIRST, None, None)
    assert model["run"]["state"] in VERDICTS

    text = person.run("status", MODEL).stdout
    for word in (MODEL, model["live"], FIRST, f"{RECORDS} records, 0 new", f"{BROKEN} in quarantine"):
        assert word in text


def test_show_tells_what_a_version_is_made_of(person: Person) -> None:
    found = person.json("show", FIRST)
    assert found.keys() == {
        "model", "version", "run_id", "digest", "base_digest", "state", "reason", "metrics", "created_at", "pinned",
        "label", "live", "lineage", "removed", "data_card", "bridge", "by_people",
    }  # fmt: skip
    assert (found["model"], found["version"]) == (MODEL, FIRST)
    assert found["digest"] == person.tags()[FIRST]
    assert found["metrics"]["scores"].keys() == {"candidate", "live", "base"}
    assert found["lineage"]["stages"].keys() == set(STAGES[:3])
    training = found["lineage"]["stages"]["training"]
    assert (training["criterion"] == "answers") == bool(training["judged"])

    text = person.run("show", FIRST).stdout
    for word in (f"{MODEL} {FIRST}", found["digest"], "validation loss", "7 of ", "CANDIDATE", "json_valid"):
        assert word in text


def test_history_tells_everything_that_happened(person: Person) -> None:
    kinds = [kind for kind, _ in events(person)]
    assert kinds[:3] == ["model.created", "feedback.ingested", "run.started"]
    assert kinds.count("stage.finished") == len(STAGES)
    assert {"version.promote", "version.held", "version.waiting"} & set(kinds)
    found = person.json("history")
    assert found[0].keys() == {"id", "at", "model", "kind", "text", "detail"}
    assert [event["id"] for event in found] == sorted(event["id"] for event in found)

    text = person.run("history").stdout
    for word in ("model.created", f"makes {MODEL} {FIRST}", "serves its base"):
        assert word in text


def test_the_candidate_is_matched_to_its_base(person: Person) -> None:
    base, made = files_of(person)
    file = GgufFile.open(base)
    last_block = max(int(name.split(".")[1]) for name in file.tensors if name.startswith("blk."))
    touched = {name for name in file.tensors if name.startswith(f"blk.{last_block}.")}
    report = compare_tensors(file, made, touched)
    assert report.matches, report
    assert (report.total, report.untouched) == (len(file.tensors), len(file.tensors) - 9), "7 projections, 2 norms"
    assert file_digest(made) != file_digest(base), "training has changed something"


def test_the_files_of_a_version_are_private(person: Person) -> None:
    folder = person.home.version(MODEL, FIRST)
    kept = {file.name for file in folder.iterdir()}
    assert {"adapters.safetensors", "adapter_config.json", "lineage.json", "Modelfile"} <= kept
    lineage = json.loads((folder / "lineage.json").read_text())
    assert lineage["base"]["digest"] == person.json("show", FIRST)["base_digest"]
    assert f"FROM {MODEL}:{FIRST}" in (folder / "Modelfile").read_text()


def test_everything_in_the_home_is_private(person: Person) -> None:
    stores = person.home.embedded_store / "blobs"  # read-only once handed over, and inside a private folder
    found = {path: path.stat().st_mode & 0o777 for path in person.home.root.rglob("*") if path.parent != stores}
    assert {path: oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)} == {}


def test_a_finished_run_leaves_no_large_file(person: Person) -> None:
    base, _ = files_of(person)
    large = [file for file in person.home.run(person.last_run()[0].id).rglob("*.gguf") if file.is_file()]
    assert (large, base.is_file()) == ([], True)


def test_a_version_goes_live_and_is_taken_back(person: Person) -> None:
    with live(person):
        tags = person.tags()
        assert tags["latest"] == tags[FIRST] != tags["base"]
        assert tags["previous"] == tags["base"]
        assert person.json("show", FIRST)["live"] is True
        assert person.run("run", "Who bought whom?").stdout.strip()

        swap = person.json("rollback")
        assert (swap["live"], swap["replaced"]) == ("base", FIRST)
    tags = person.tags()
    assert tags["latest"] == tags["base"] != tags[FIRST]
    assert person.json("show", FIRST)["state"] == "withdrawn"
    assert person.json("show", FIRST)["live"] is False

    again = person.run("rollback")
    assert again.code == 6, again
    assert "nothing to go back to" in again.complaint
    assert person.tags() == tags

    answer = person.json("run", "Who bought whom?")
    assert answer["text"].strip()
    assert answer["answer_tokens"] <= 8


def test_a_version_that_was_taken_back_returns_only_when_a_person_says_so(person: Person) -> None:
    with live(person):
        pass
    before = person.tags()
    refused = person.run("promote", FIRST, "--yes")
    assert refused.code == 6, refused
    assert f"adapterctl promote {FIRST} --force makes it live anyway" in refused.stderr
    for given in ("", "n\n"):
        unsure = person.run("promote", FIRST, "--force", given=given)
        assert unsure.code == 130, unsure
        assert "was withdrawn (taken back in favour of base). Make it live anyway?" in unsure.stderr
    assert person.tags() == before

    sure = person.run("promote", FIRST, "--force", "--json", given="y\n")
    assert (sure.code, json.loads(sure.stdout)["live"]) == (0, FIRST)
    how = "promoted by hand with --force, although withdrawn (taken back in favour of base)"
    assert ("version.promote", f"{MODEL}: {FIRST} is live, base was before ({how})") in events(person)
    assert person.tags()["latest"] == person.tags()[FIRST]
    assert person.run("rollback", "--to", "base").code == 0
    assert person.tags()["latest"] == person.tags()["base"]


def test_each_version_can_be_asked(person: Person) -> None:
    said = person.run("run", "--version", FIRST, "-", given="Extract the news as JSON.")
    assert said.code == 0, said
    assert said.stdout.strip()


def test_doctor_finds_nothing_wrong(person: Person) -> None:
    assert [finding for finding in person.json("doctor") if finding["level"] == "fault"] == []


def test_fresh_cases_compare_what_is_live_with_what_was_before(person: Person, tmp_path: Path) -> None:
    written = write_news(tmp_path / "application", seed=7)
    with live(person):
        assert person.run("feedback", "import", *written.files).code == 0
        said = person.run("evidence", "--now")
        assert said.code == 0, said
        (watch,) = (each for each in person.json("evidence")["open"] if each["purpose"] == "watch")
        assert person.json("status")["models"][0]["watch"]["version"] == "base"
    assert (watch["version"], watch["against"]) == ("base", FIRST)
    (night,) = watch["nights"]
    assert night["cases"] + night["shown"] > 0
    assert f"watch: base, which was live before, against {FIRST}, which is live" in said.stdout
    over = person.json("evidence")
    assert (over["live"], [each for each in over["open"] if each["purpose"] == "watch"]) == ("base", [])
    assert over["ended"][-1]["text"] == "base went live meanwhile"

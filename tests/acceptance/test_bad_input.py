"""Whatever is given, the answer is one sentence and a documented exit code, never a traceback; feedback is kept."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from adapterd.home import HOME_VARIABLE, Home
from tests.acceptance.conftest import begin
from tests.acceptance.person import MODEL, Person, Said

RECORD = {"prompt": "Title for: a merger in Lyon", "output": "Merger", "correction": "A merger in Lyon", "rating": 2}
GOOD = json.dumps(RECORD).encode()
BAD_FILES: dict[str, bytes] = {
    "empty.jsonl": b"",
    "blank.jsonl": b"\n \n\t\n",
    "broken.jsonl": GOOD + b"\n{broken\n" + GOOD[:-10] + b"\n",
    "binary.jsonl": bytes(range(256)) * 64,
    "latin-1.jsonl": GOOD.replace(b"Lyon", b"Orl\xe9ans") + b"\n",
    "utf-16.json": json.dumps([RECORD]).encode("utf-16"),
    "deep.jsonl": b'{"prompt": "x", "output": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
    "deep.json": b"[" * 100_000,
    "half.jsonl": GOOD + b"\n" + GOOD[: len(GOOD) // 2],
    "half.json": b"[" + GOOD + b", " + GOOD[: len(GOOD) // 2],
    "long-line.jsonl": b'{"prompt": "' + b"x" * (5 << 20) + b'"}\n',
    "scalars.json": b'[1, "two", null, true, [], {}]',
    "not-numbers.jsonl": b'{"prompt": "x", "rating": NaN}\n{"prompt": "x", "rating": 1e999}\n' + b"9" * 5000 + b"\n",
    "lone-surrogate.jsonl": b'{"prompt": "\\ud800", "output": "y", "rating": 5}\n',
    "twice.jsonl": b'{"prompt": "x", "prompt": "y", "output": "z"}\n',
    "wrong-types.jsonl": b'{"prompt": 7, "output": {}, "rating": "good", "created_at": "yesterday"}\n',
    "no-record.json": b'{"an": "object"}',
}
LARGE_BYTES = 100 << 20


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory, tiny_path: Path) -> Person:
    """Somebody with a model; the tests that share them change nothing."""
    person = Person(Home(tmp_path_factory.mktemp("settled") / "home"))
    return begin(person, tiny_path, "--runtime", "embedded")


def refused(said: Said, code: int) -> str:
    """The sentence with which a command ended, in the place of anything else."""
    assert (said.code, said.stdout) == (code, ""), said
    assert said.complaint
    return said.complaint


def imported(person: Person, *files: Path) -> dict[str, int]:
    """What an import reports, which ends with exit code 6 if nothing was taken."""
    said = person.run("feedback", "import", *files, "--json")
    report: dict[str, int] = json.loads(said.stdout)
    assert said.code in (0, 6)
    return report


def taken(person: Person, *files: Path) -> dict[str, int]:
    """What an import reports; its counts must add up, and what the store has must be what it says."""
    report = imported(person, *files)
    assert report["lines"] == report["accepted"] + report["duplicates"] + report["quarantined"]
    model = person.json("status")["models"][0]
    assert (model["records"], model["quarantined"]) == (report["accepted"], report["quarantined"])
    return report


# Feedback.


def test_bad_files_are_taken_and_accounted_for(person: Person, tmp_path: Path) -> None:
    files = [tmp_path / name for name in BAD_FILES]
    for file in files:
        file.write_bytes(BAD_FILES[file.name])
    report = taken(person, *files)
    assert (report["files"], report["accepted"], report["duplicates"]) == (len(files), 1, 2)

    pieces = person.json("feedback", "quarantine")
    assert len(pieces) == report["quarantined"] > len(files) / 2
    without_fault = {"empty.jsonl", "blank.jsonl"}
    named = {name for name in BAD_FILES if any(piece["file"].endswith(name) for piece in pieces)}
    assert named == BAD_FILES.keys() - without_fault
    for piece in pieces:
        assert piece["reason"]
        assert (person.home.quarantine / piece["kept"]).is_file()

    text = person.run("feedback", "quarantine").stdout
    for words in ("not UTF-8", "NUL bytes", "nested", "longer than 4 MiB"):
        assert words in text


def test_a_corrected_file_leaves_quarantine(person: Person, tmp_path: Path) -> None:
    (person.inbox / "late.jsonl").write_bytes(GOOD[:-2] + b"\n")
    nothing = tmp_path / "nothing.jsonl"
    nothing.touch()
    assert taken(person, nothing)["quarantined"] == 1
    (person.inbox / "late.jsonl").write_bytes(GOOD + b"\n")
    assert imported(person, nothing)["accepted"] == 1
    assert person.json("feedback", "quarantine") == []
    assert person.run("feedback", "quarantine").stdout == "nothing is in quarantine\n"


def test_a_hundred_megabytes_of_lines(person: Person, tmp_path: Path) -> None:
    padding = "long ago " * 5000
    file = tmp_path / "large.jsonl"
    with file.open("w") as lines:
        count = 0
        while lines.tell() < LARGE_BYTES:
            count += 1
            lines.write(
                json.dumps({**RECORD, "prompt": f"{count} {padding}"}) + "\n" + "{broken\n" * (count % 100 == 0)
            )
    report = taken(person, file)
    assert (report["accepted"], report["quarantined"]) == (count, count // 100)
    assert imported(person, file)["accepted"] == 0


def test_a_hundred_megabytes_in_one_document(person: Person, tmp_path: Path) -> None:
    file, said_again = tmp_path / "large.json", LARGE_BYTES // (len(GOOD) + 1)
    file.write_bytes(b"[" + (GOOD + b",") * said_again + GOOD + b"]")
    report = taken(person, file)
    assert (report["accepted"], report["duplicates"], report["quarantined"]) == (1, said_again, 0)


def test_a_hundred_megabytes_in_one_object(person: Person, tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_bytes(json.dumps({**RECORD, "prompt": "long ago " * (LARGE_BYTES // 9)}).encode())
    report = taken(person, file)
    assert (report["accepted"], report["quarantined"]) == (0, 1)
    [piece] = person.json("feedback", "quarantine")
    assert "32 MiB" in piece["reason"]
    assert (person.home.quarantine / piece["kept"]).stat().st_size == file.stat().st_size


def test_faulty_typed_feedback_is_refused_and_kept(person: Person) -> None:
    said = person.run("feedback", "add", "--prompt", "a question")
    assert said.code == 6
    assert "nothing to train on" in said.complaint
    said = person.run("feedback", "add", "-", given="{half")
    assert said.code == 6
    assert "JSON" in said.complaint
    assert len(person.json("feedback", "quarantine")) == 2
    assert person.run("feedback", "add", "-", given="").code == 0


def test_other_files_are_refused(settled: Person, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("hello")
    assert str(file) in refused(settled.run("feedback", "import", file), 6)


def test_too_little_feedback_is_told(person: Person) -> None:
    assert "no feedback that is new" in refused(person.run("retrain"), 7)
    assert person.run("feedback", "add", "--prompt", "x", "--output", "y", "--rating", "5").code == 0
    said = person.run("retrain")
    assert said.code == 7
    assert "there are 1 examples" in said.complaint
    assert "there are 1 examples" in person.run("status").stdout


# Commands.


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["status", "--frobnicate"],
        ["status", MODEL, "other"],
        ["history", "--limit", "0"],
        ["history", "--limit", "many"],
        ["init"],
        ["init", "other"],
        ["init", "other", "--base", "x", "--task", "poetry"],
        ["init", "other", "--base", "x", "--runtime", "abacus"],
        ["init", "other", "--base", "x", "--schema", "/nowhere/schema.json"],
        ["init", "other", "--base", "x.gguf", "--template", "/nowhere/template"],
        ["retrain", MODEL, "other"],
        ["show"],
        ["promote"],
        ["run"],
        ["demo", "--runtime", "abacus"],
        ["demo", "--ollama", "/nowhere/ollama"],
        ["service", "frobnicate"],
        ["feedback", "frobnicate"],
        ["feedback", "import"],
        ["feedback", "import", "/nowhere/feedback.jsonl"],
        ["feedback", "import", "/"],
        ["feedback", "add", "record.json"],
        ["feedback", "add", "--prompt", "x", "--rating", "6"],
        ["feedback", "add", "--prompt", "x", "--tag", "boring"],
        ["feedback", "list", "--limit", "-1"],
    ],
    ids=" ".join,
)
def test_wrong_usage(settled: Person, arguments: list[str]) -> None:
    said = settled.run(*arguments)
    assert refused(said, 2)
    assert "--help` shows how it is used" in said.stderr


@pytest.mark.parametrize("arguments", [[], ["feedback"], ["service"]], ids=str)
def test_a_group_alone_shows_its_commands(settled: Person, arguments: list[str]) -> None:
    said = settled.run(*arguments)
    assert (said.code, said.stdout) == (2, "")
    assert "Commands:" in said.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "nobody"],
        ["history", "nobody"],
        ["retrain", "nobody"],
        ["rollback", "nobody"],
        ["show", "1.0.0", "-m", "nobody"],
        ["promote", "1.0.0", "-m", "nobody"],
        ["run", "hello", "-m", "nobody"],
        ["feedback", "add", "--prompt", "x", "--output", "y", "-m", "nobody"],
        ["feedback", "import", __file__, "-m", "nobody"],
        ["feedback", "list", "-m", "nobody"],
        ["feedback", "quarantine", "-m", "nobody"],
    ],
    ids=" ".join,
)
def test_an_unknown_model(settled: Person, arguments: list[str]) -> None:
    assert refused(settled.run(*arguments), 4) == f"no model named 'nobody' is configured; configured are: {MODEL}"


@pytest.mark.parametrize("version", ["9.9.9", "latest", "../1.0.0", ""])
@pytest.mark.parametrize("command", [["show"], ["promote"], ["rollback", "--to"]], ids=" ".join)
def test_an_unknown_version(settled: Person, command: list[str], version: str) -> None:
    said = settled.run(*command, version)
    assert refused(said, 4) == f"{MODEL} has no version {version}; there are: none yet"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["run", "hello", "--version", "9.9.9"], 4),
        (["run", "hello", "--version", "newest"], 6),
        (["promote", "base"], 6),
        (["rollback"], 6),
        (["feedback", "add"], 6),
        (["init", "Bad Name", "--base", "x"], 6),
        (["init", "../other", "--base", "x"], 6),
        (["init", "other", "--base", "/nowhere/x.gguf"], 4),
        (["init", "other", "--base", "nobody/nothing:7b"], 4),
        (["init", "other", "--base", f"{MODEL}:base", "--host", "http://127.0.0.1:1"], 6),
        (["init", "other", "--base", f"{MODEL}:base", "--set", "training.rank"], 3),
        (["init", "other", "--base", f"{MODEL}:base", "--set", "training.rank=0"], 3),
        (["init", "other", "--base", f"{MODEL}:base", "--set", "training.colour=red"], 3),
        (["init", "other", "--base", f"{MODEL}:base", "--set", "schedule.cron=at noon"], 3),
    ],
    ids=str,
)
def test_senseless_commands_are_refused(settled: Person, arguments: list[str], code: int) -> None:
    before = settled.home.config_file.read_bytes()
    assert refused(settled.run(*arguments), code)
    assert settled.home.config_file.read_bytes() == before


def test_a_base_that_is_no_model(settled: Person, tmp_path: Path) -> None:
    file = tmp_path / "x.gguf"
    for content in (b"", b"GGUF", b"GGUF" + bytes(1000), os.urandom(10_000)):
        file.write_bytes(content)
        assert refused(settled.run("init", "other", "--base", file), 6)
    file.write_bytes((settled.runtime().show(f"{MODEL}:base").gguf or Path()).read_bytes()[:20_000])
    assert refused(settled.run("init", "other", "--base", file), 6)


def test_a_complaint_is_json_for_programs(settled: Person) -> None:
    for arguments, code in ((["show", "9.9.9"], 4), (["status", "--frobnicate"], 2), (["run"], 2), (["rollback"], 6)):
        said = settled.run(*arguments, "--json")
        assert (said.code, said.stdout) == (code, "")
        assert json.loads(said.stderr).keys() == {"error", "hint"}


def test_a_reader_that_goes_away_hears_no_more(settled: Person) -> None:
    command = f"{sys.executable} -m adapterctl history --json | true; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, HOME_VARIABLE: str(settled.home.root)}
    said = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (1, "")


# What commands find.


NEED_A_MODEL = [
    ["retrain"],
    ["rollback"],
    ["show", "1.0.0"],
    ["promote", "1.0.0"],
    ["run", "hello"],
    ["feedback", "add", "--prompt", "x", "--output", "y"],
    ["feedback", "list"],
    ["feedback", "quarantine"],
    ["versions"],
    ["label", "1.0.0", "x"],
]
EVERY_COMMAND = [
    *NEED_A_MODEL,
    ["status"],
    ["history", MODEL],
    ["init", "other", "--base", "x"],
    ["config", "show"],
    ["config", "get", "runtime"],
    ["config", "set", "runtime", "embedded"],
]


@pytest.mark.parametrize("arguments", NEED_A_MODEL, ids=" ".join)
def test_no_configuration(stranger: Person, arguments: list[str]) -> None:
    said = stranger.run(*arguments)
    assert refused(said, 4) == "which model? configured are: none"
    assert "adapterctl init" in said.stderr


def test_no_configuration_is_no_fault_for_who_only_looks(stranger: Person) -> None:
    assert "begin with: adapterctl init" in stranger.run("status").stdout
    assert not stranger.home.root.exists()
    assert stranger.run("history").stdout == "nothing has happened yet\n"
    assert stranger.json("history") == []


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_a_broken_configuration(stranger: Person, arguments: list[str]) -> None:
    stranger.home.create()
    for content in (b"[models", b"\xff\xfe", b"colour = 'red'", b"[models.x]\nbase = 7", b"models = []"):
        stranger.home.config_file.write_bytes(content)
        assert str(stranger.home.config_file) in refused(stranger.run(*arguments), 3)


def test_doctor_and_daemon_name_what_is_wrong_with_a_configuration(person: Person) -> None:
    for old, new, fault in (("rank = 16", "rank = 0", "training.rank"), ('"0 3 * * *"', '"at three"', "schedule.cron")):
        good = person.correct(old, new)
        said = person.run("doctor")
        assert said.code == 1
        assert f"models.{MODEL}.{fault}" in said.stdout
        daemon = person.wait(person.start(module="adapterd"))
        assert daemon.code == 3
        assert f"models.{MODEL}.{fault}" in daemon.stderr
        person.home.config_file.write_text(good)


@pytest.fixture(params=["a file", "below a file", "where nobody may write"])
def impossible(request: pytest.FixtureRequest, tmp_path: Path) -> Person:
    """Somebody whose home cannot be."""
    file = tmp_path / "file"
    file.touch()
    places = {"a file": file, "below a file": file / "home", "where nobody may write": Path("/proc/adapterd")}
    return Person(Home(places[request.param]))


def test_an_impossible_home(impossible: Person, smollm2_path: Path) -> None:
    assert impossible.run("status").code == 0
    assert impossible.run("doctor").code == 1
    for arguments in (["history"], ["init", MODEL, "--base", str(smollm2_path), "--runtime", "embedded"]):
        assert str(impossible.home.root) in refused(impossible.run(*arguments), 3)
    for arguments in NEED_A_MODEL:
        assert refused(impossible.run(*arguments), 4)
    assert str(impossible.home.root) in refused(impossible.wait(impossible.start(module="adapterd")), 3)


@pytest.mark.parametrize("content", [b"this is no database at all" * 100, b"SQLite format 3\0" + b"\7" * 5000])
def test_a_broken_database(settled: Person, tmp_path: Path, content: bytes) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(settled.home.root, home.root)
    for file in home.root.glob("state.db*"):
        file.unlink()
    home.database.write_bytes(content)
    person = Person(home)
    for arguments in (["status"], ["history"], ["retrain"], ["feedback", "list"], ["show", "1.0.0"]):
        assert str(home.database) in refused(person.run(*arguments), 9)
    assert "news:previous is gone" in refused(person.run("rollback"), 4)  # which goes by the tags
    assert person.run("doctor").code == 1
    assert refused(person.wait(person.start(module="adapterd")), 9)
    assert home.database.read_bytes() == content


# Ollama that is not there.


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def lonely(stranger: Person, closed_port: int) -> Person:
    """Somebody who has a model, and no Ollama that answers."""
    stranger.home.create()
    host = f"http://127.0.0.1:{closed_port}"
    inbox = stranger.inbox
    inbox.mkdir(parents=True)
    stranger.home.config_file.write_text(
        f'[ollama]\nhost = "{host}"\n[models.{MODEL}]\nbase = "x:1"\nbase_digest = "sha256:0"\nfeedback = "{inbox}"\n'
    )
    return stranger


def test_status_works_without_ollama(lonely: Person) -> None:
    found = lonely.json("status")
    assert found["runtime"]["version"] is None
    assert "Ollama does not answer at http://127.0.0.1:" in found["runtime"]["fault"]
    assert "start Ollama" in found["runtime"]["hint"]
    assert found["models"][0]["served_as_recorded"] is None
    text = lonely.run("status").stdout
    assert "Ollama does not answer at" in text
    assert "start Ollama" in text
    assert lonely.run("history").code == 0


def test_doctor_names_ollama(lonely: Person) -> None:
    said = lonely.run("doctor")
    assert (said.code, said.stderr) == (1, "")
    assert "FAIL  runtime          Ollama does not answer at" in said.stdout
    found = lonely.run("doctor", "--json")
    assert found.code == 1
    assert [each["what"] for each in json.loads(found.stdout) if each["level"] == "fault"] == ["runtime"]


@pytest.mark.parametrize(
    "arguments", [["retrain", "--now"], ["run", "hello"], ["init", "other", "--base", "x:1"]], ids=" ".join
)
def test_commands_that_need_ollama_say_so(lonely: Person, arguments: list[str]) -> None:
    said = lonely.run(*arguments)
    assert "Ollama does not answer at" in refused(said, 5)
    assert "start Ollama" in said.stderr


def test_feedback_is_taken_without_ollama(lonely: Person) -> None:
    assert lonely.run("feedback", "add", "--prompt", "x", "--output", "y", "--rating", "5").code == 0
    assert lonely.json("status")["models"][0]["records"] == 1

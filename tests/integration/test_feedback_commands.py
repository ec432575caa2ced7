"""What people see of feedback: check, import and list say what each record teaches."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapterctl.main import cli
from adapterd.errors import InputError
from adapterd.home import HOME_VARIABLE
from tests.support.documents import text_of

CONFIG = 'runtime = "embedded"\n[models.m]\nbase = "b.gguf"\nbase_digest = "sha256:00"\n'
LIKED = {"prompt": "Title: the tram is back.", "output": "Tram back", "rating": 5}
Command = Callable[..., Result]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Gives a command in a home of its own."""
    home = tmp_path / "home"
    (home / "feedback/m").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    (home / "config.toml").write_text(CONFIG)
    monkeypatch.setenv(HOME_VARIABLE, str(home))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *arguments: CliRunner().invoke(cli, ["feedback", *map(str, arguments)])


@pytest.fixture
def records_file(tmp_path: Path) -> Callable[..., Path]:
    """Writes a file of records."""

    def write(*records: object, name: str = "given.jsonl") -> Path:
        file = tmp_path / name
        file.write_text("".join(f"{json.dumps(record)}\n" for record in records))
        return file

    return write


def test_a_check_tells_what_each_record_would_teach_and_stores_nothing(
    command: Command, records_file: Callable[..., Path], tmp_path: Path
) -> None:
    file = records_file(LIKED, {**LIKED, "prompt": "Another", "rating": 1}, {"prompt": "x", "output": "y"}, 7)
    said = command("check", file)
    assert (said.exit_code, said.exception) == (0, None)
    rows = [line.split() for line in said.stdout.splitlines()]
    assert [row[:3] for row in rows[1:5]] == [
        ["1", "Native", "example"], ["2", "Native", "bad"], ["3", "Native", "not"], ["4", "refused:", "a"],
    ]  # fmt: skip
    assert said.stdout.splitlines()[-1] == "given.jsonl: 1 example, 0 preferences, 1 only bad, 1 not judged, 1 refused"
    assert json.loads(command("list", "--json").stdout) == []
    assert list((tmp_path / "home/feedback/m").iterdir()) == []


def test_a_check_takes_into_account_what_is_known(command: Command, records_file: Callable[..., Path]) -> None:
    command("import", records_file(LIKED))
    found = json.loads(command("check", records_file({**LIKED, "rating": 1}, name="later.jsonl"), "--json").stdout)
    assert [record["teaches"] for record in found["records"]] == [["bad"]]
    assert command("check", records_file(LIKED, name="again.jsonl")).stdout.count("example") == 2


def test_a_check_reads_fields_as_it_is_told(command: Command, records_file: Callable[..., Path]) -> None:
    file = records_file({"prompt": "x", "output": "y", "score": 9})
    assert isinstance(command("check", file).exception, InputError)
    assert "1 example" in command("check", file, "--map", "rating=score", "--scale", "1..10").stdout


def test_a_rating_off_its_scale_refuses_the_whole_file(command: Command, records_file: Callable[..., Path]) -> None:
    said = command("check", records_file(LIKED, {**LIKED, "rating": 9}))
    assert said.stdout.count("nothing of this file is taken") == 1
    assert isinstance(said.exception, InputError)


@pytest.mark.parametrize("what", ["check", "import"])
def test_a_file_that_is_not_read_is_refused_with_the_way_on(command: Command, tmp_path: Path, what: str) -> None:
    (tmp_path / "book.xlsx").write_bytes(b"PK")
    said = command(what, tmp_path / "book.xlsx").exception
    assert isinstance(said, InputError)
    assert "book.xlsx is none of: .json" in str(said)
    assert "CSV" in said.hint


def test_a_check_lists_so_many_records_and_counts_all(command: Command, records_file: Callable[..., Path]) -> None:
    file = records_file(*({**LIKED, "prompt": f"p{number}"} for number in range(5)))
    said = command("check", file, "--limit", 2).stdout
    assert "… and 3 more" in said
    assert "5 examples" in said


def test_an_import_tells_what_its_records_teach(command: Command, records_file: Callable[..., Path]) -> None:
    corrected = {"prompt": "Another", "output": "Tram", "correction": "Tram is back", "url": "https://example.org/1"}
    said = command("import", records_file(LIKED, corrected, {"prompt": "x", "output": "y"}, 7, 8))
    assert said.exit_code == 0
    assert said.stdout.splitlines() == [
        "m: 2 examples, 1 preference, 1 not judged, 2 refused: a record must be a JSON object, not 7; "
        "a record must be a JSON object, not 8",
        "  3 new, 0 known already",
        "  kept aside, as they say nothing of an answer: url",
        "  `adapterctl feedback quarantine` shows what was refused, and where",
    ]


def test_an_import_of_which_nothing_was_taken_is_an_error(command: Command, records_file: Callable[..., Path]) -> None:
    said = command("import", records_file(7, 8), "--json")
    assert isinstance(said.exception, InputError)
    assert "2 refused" in str(said.exception)
    assert json.loads(said.stdout)["teaches"]["refused"] == 2
    assert isinstance(command("import", records_file(name="empty.jsonl")).exception, InputError)


def test_an_import_names_a_reason_once_and_a_list_names_the_file(
    command: Command, records_file: Callable[..., Path]
) -> None:
    wrong = ({"prompt": f"p{number}", "output": "y", "score": number} for number in range(3))
    said = command("import", records_file(LIKED, *wrong))
    assert said.stdout.count("--map rating=score") == 1
    assert "--ignore score (3)" in said.stdout
    assert " given.jsonl:1" in command("list").stdout
    assert "\ngiven.jsonl" in command("quarantine").stdout


def test_an_import_of_what_is_known_is_no_error(command: Command, records_file: Callable[..., Path]) -> None:
    for known in (0, 1):
        said = command("import", records_file(LIKED))
        assert (said.exit_code, f"{known} known already" in said.stdout) == (0, True)


def test_the_list_tells_what_each_record_teaches_now(command: Command, records_file: Callable[..., Path]) -> None:
    command("import", records_file(LIKED))
    (before,) = json.loads(command("list", "--json").stdout)
    command("import", records_file({**LIKED, "rating": 1}, name="later.jsonl"))
    assert before["teaches"] == ["example"]
    assert [record["teaches"] for record in json.loads(command("list", "--json").stdout)] == [["bad"], ["replaced"]]
    assert "TEACHES" in command("list").stdout


def test_an_import_of_which_all_is_refused_is_an_error_only_the_first_time(
    command: Command, records_file: Callable[..., Path]
) -> None:
    file = records_file({"prompt": "p", "output": "o", "rating": 1, "correction": "o"})
    first = command("import", file)
    assert isinstance(first.exception, InputError)
    assert "0 not judged, 1 refused: the correction is the very answer that was judged bad" in first.stdout
    assert command("import", file).exit_code == 0


def test_an_import_of_answers_that_nobody_judged_says_so(command: Command, records_file: Callable[..., Path]) -> None:
    tree = {
        "a": {"id": "a", "parentId": None, "role": "user", "content": "Who met?"},
        "b": {"id": "b", "parentId": "a", "role": "assistant", "content": "The mayor."},
        "c": {"id": "c", "parentId": "a", "role": "assistant", "content": "The council."},
    }
    said = command("import", records_file({"chat": {"history": {"currentId": "b", "messages": tree}}}))
    assert str(said.exception).startswith("nothing can be taken: 0 examples, 0 preferences, 2 not judged")


def test_the_folder_of_the_home_is_made_where_it_is_missing(
    command: Command, records_file: Callable[..., Path], tmp_path: Path
) -> None:
    (tmp_path / "home/feedback/m").rmdir()
    assert command("import", records_file(LIKED)).exit_code == 0


def test_the_example_of_the_page_comes_out_as_it_is_shown(command: Command, tmp_path: Path) -> None:
    sheet, shown = re.findall(r"```text\n(.*?)```", text_of("docs/feedback.md"), re.DOTALL)[:2]
    (tmp_path / "sheet.csv").write_text(sheet)
    asked, output = re.split(r"\n\s*(?=LINE )", shown.replace("\\\n", ""), maxsplit=1)
    options = shlex.split(asked)[5:]
    said = command("check", tmp_path / "sheet.csv", *options).stdout
    assert [line.split() for line in said.splitlines()] == [line.split() for line in output.strip().splitlines()]


def test_a_dry_run_of_a_removal_lists_the_records(command: Command, records_file: Callable[..., Path]) -> None:
    command("import", records_file(LIKED, *({**LIKED, "prompt": f"Question {number}?"} for number in range(30))))

    said = command("remove", "--matching", "tram", "--dry-run")
    assert re.search(r"^1 +\S+ \S+ +Title: the tram is back\.$", said.output, re.MULTILINE)

    said = command("remove", "--matching", "Question", "--dry-run")
    assert "Question 19?" in said.output
    assert "Question 20?" not in said.output
    assert "and 10 more" in said.output


def test_what_was_removed_is_taken_again_where_that_is_asked_for(
    command: Command, records_file: Callable[..., Path]
) -> None:
    file = records_file(LIKED, "what is this")
    command("import", file)
    command("remove", "--file", file, "--yes")

    refused = command("import", file)
    assert refused.exit_code != 0
    assert "taken back earlier" in str(refused.exception)
    assert json.loads(command("list", "--json").output) == []

    taken = command("import", file, "--again")
    assert taken.exit_code == 0
    assert "1 new" in taken.output
    assert len(json.loads(command("list", "--json").output)) == 1


def test_a_file_that_was_imported_before_says_what_of_it_was_removed(
    command: Command, records_file: Callable[..., Path]
) -> None:
    file = records_file(LIKED, {**LIKED, "prompt": "Another one"})
    command("import", file)
    command("remove", "--matching", "Another", "--yes")

    assert "0 new, 1 known already, 1 taken back earlier and not taken again" in command("import", file).output
    assert "1 new, 1 known already" in command("import", file, "--again").output

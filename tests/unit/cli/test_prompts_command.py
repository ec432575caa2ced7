"""adapterctl prompts import and list."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import Result

from adapterd.errors import InputError
from adapterd.home import Home

Command = Callable[..., Result]


@pytest.fixture
def file(home: Home, tmp_path: Path) -> Path:
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n')
    home.inbox("m").mkdir(parents=True)
    made = tmp_path / "prompts.jsonl"
    made.write_text('{"prompt": "Who met?", "source_id": "council"}\n{"prompt": "When?"}\n{"answer": "No."}\n')
    return made


def test_import_says_what_became_of_the_rows(adapterctl: Command, file: Path) -> None:
    first, refused = adapterctl("prompts", "import", str(file)).stdout.splitlines()
    assert first == "m: 3 rows read, 2 new prompts, 0 known already, 0 joined to a known one, 1 refused"
    assert refused.startswith("  line 3: it has no prompt")


def test_either_a_file_or_what_was_captured_is_given(adapterctl: Command, file: Path) -> None:
    for words in ((), (str(file), "--captured"), ("--captured", "--database", "x.db")):
        with pytest.raises(click.UsageError, match="FILE, a query, or --captured"):
            adapterctl("prompts", "import", *words)
    with pytest.raises(InputError, match="no conversation with m is recorded"):
        adapterctl("prompts", "import", "--captured")


def test_import_of_one_prompt_counts_one(adapterctl: Command, home: Home, file: Path) -> None:
    file.write_text('{"prompt": "Who met?"}\n')
    assert "1 row read, 1 new prompt, " in adapterctl("prompts", "import", str(file)).stdout


def test_list_shows_the_newest_first(adapterctl: Command, as_json: Callable[..., Any], file: Path) -> None:
    adapterctl("prompts", "import", str(file))
    _, newest, oldest = adapterctl("prompts", "list").stdout.splitlines()
    assert newest.split()[-1] == "When?"
    assert oldest.split()[-4:] == ["council", "prompts.jsonl", "Who", "met?"]
    assert [each["source_id"] for each in as_json("prompts", "list", "--open")] == [None, "council"]


def test_empty_pool_says_how_it_is_filled(adapterctl: Command, file: Path) -> None:
    assert "adapterctl prompts import FILE" in adapterctl("prompts", "list").stdout


def test_feedback_on_a_prompt_answers_it(as_json: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    as_json("prompts", "import", str(file))
    given = tmp_path / "given.jsonl"
    given.write_text(json.dumps({"prompt": "Who met?", "output": "The council.", "rating": 5}) + "\n")
    as_json("feedback", "import", str(given))
    assert [each["answered"] for each in as_json("prompts", "list")] == [False, True]

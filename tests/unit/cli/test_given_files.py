"""Files that are given to commands: a pipe, a device, a link to itself are refused by a sentence, and nothing hangs."""

import gzip
import os
import re
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import Result

from adapterd.deployment.create_model import read_template
from adapterd.errors import AdapterdError, InputError
from adapterd.evaluation.metrics.json_answers.schema import read_schema
from adapterd.home import Home

Command = Callable[..., Result]
TAKING: dict[str, tuple[str, ...]] = {
    "feedback.jsonl": ("feedback", "import"),
    "checked.jsonl": ("feedback", "check"),
    "questions.jsonl": ("prompts", "import"),
    "questions.jsonl.gz": ("prompts", "import"),
    "set.jsonl": ("eval", "freeze", "--from"),
    "draft.toml": ("config", "check"),
    "schema.json": ("init", "n", "--base", "nothing:1", "--schema"),
    "template.txt": ("init", "n", "--base", "nothing:1", "--template"),
    "base.gguf": ("init", "n", "--base"),
}
ODD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "pipe": ("is a pipe, not a file", os.mkfifo),
    "device": ("is a device, not a file", lambda path: path.symlink_to("/dev/zero")),
    "folder": ("folder|directory|Is a directory", Path.mkdir),
    "loop": ("does not exist|Too many levels of symbolic links", lambda path: path.symlink_to(path.name)),
}


@pytest.fixture
def configured(home: Home) -> Home:
    home.config_file.write_text('runtime = "embedded"\n[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\n')
    home.inbox("m").mkdir(parents=True)
    return home


def refusal(adapterctl: Command, *words: str) -> str:
    with pytest.raises((AdapterdError, click.ClickException)) as refused:
        adapterctl(*words)
    return str(refused.value)


@pytest.mark.parametrize("name", TAKING)
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_is_refused(
    adapterctl: Command, configured: Home, tmp_path: Path, name: str, kind: str
) -> None:
    said, make = ODD[kind]
    make(path := tmp_path / name)
    assert re.search(said, refusal(adapterctl, *TAKING[name], str(path)))
    assert [file for file in configured.inbox("m").iterdir() if not file.name.startswith(".")] == []


@pytest.mark.parametrize("read", [read_schema, read_template])
def test_a_sparse_file_is_refused_by_its_size(tmp_path: Path, read: Callable[[Path], object]) -> None:
    (path := tmp_path / "sparse").touch()
    os.truncate(path, 3 << 30)
    with pytest.raises(InputError, match="has 3221225472 bytes"):
        read(path)


def test_a_link_to_a_test_set_is_a_test_set(adapterctl: Command, configured: Home, tmp_path: Path) -> None:
    (tmp_path / "there.jsonl").write_text('{"prompt": "a"}\n')
    (tmp_path / "set.jsonl").symlink_to("there.jsonl")
    assert "set.jsonl is no test set" in refusal(adapterctl, *TAKING["set.jsonl"], str(tmp_path / "set.jsonl"))


@pytest.mark.parametrize("damage", [b"\x00" * 20, b"\xff" * 20])
def test_a_damaged_gzip_is_a_sentence(adapterctl: Command, configured: Home, tmp_path: Path, damage: bytes) -> None:
    path, packed = tmp_path / "questions.jsonl.gz", gzip.compress(os.urandom(400))
    path.write_bytes(packed[:40] + damage + packed[60:])
    assert "questions.jsonl.gz" in refusal(adapterctl, "prompts", "import", str(path))


@pytest.mark.parametrize(
    ("text", "said"),
    [("a = " + "[" * 20_000, "not valid TOML"), ("a = " + "9" * 5_000, "not valid TOML"), (None, "3221225472 bytes")],
    ids=["nested", "number", "sparse"],
)
def test_a_draft_that_cannot_be_read_is_a_fault(
    adapterctl: Command, home: Home, tmp_path: Path, text: str | None, said: str
) -> None:
    (draft := tmp_path / "draft.toml").write_text(text or "")
    if text is None:
        os.truncate(draft, 3 << 30)
    checked = adapterctl("config", "check", str(draft))
    assert checked.exit_code == 3
    assert said in checked.stdout


def test_config_check_finds_faults_of_schemas(adapterctl: Command, home: Home) -> None:
    (home.root / "s.json").write_text('{"$ref": "#"}')
    home.config_file.write_text('[models.m]\nbase = "tiny:1"\nbase_digest = "sha256:00"\nschema = "s.json"\n')
    checked = adapterctl("config", "check")
    assert checked.exit_code == 3
    assert re.search(r"models\.m\.schema: .*s\.json .* never ends", checked.stdout)

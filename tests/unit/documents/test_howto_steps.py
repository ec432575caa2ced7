"""A how-to page is followed literally: its steps are found, applied in order, and the first wrong one is named."""

from pathlib import Path

import pytest

from tests.support.howto import PageError, follow, steps

PAGE = """# Add a greeting

Write a file:

<!-- file: package/greeting.py -->
```python
WORDS = ["hello"]
```

1. Extend it:

   <!-- append: package/greeting.py -->
   ```python
   if WORDS:
       print(*WORDS)
   ```

<!-- replace: package/greeting.py -->
```python
["hello"]
```
becomes
```python
["hello", "world"]
```

Output, for reading only:

```text
hello world
```

```sh
$ test "$(python package/greeting.py)" = "hello world"
```
"""


def written(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "add-a-greeting.md"
    page.write_text(text)
    return page


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A repository with one file."""
    folder = tmp_path / "copy"
    folder.mkdir()
    (folder / "twice.txt").write_text("one\none\n")
    return folder


def test_page_is_applied_and_its_last_command_run(tmp_path: Path, copy: Path) -> None:
    follow(written(tmp_path, PAGE), copy)
    assert (copy / "package/greeting.py").read_text() == 'WORDS = ["hello", "world"]\nif WORDS:\n    print(*WORDS)\n'


def test_marked_commands_are_run_in_their_place(tmp_path: Path, copy: Path) -> None:
    text = (
        "<!-- run -->\n```sh\ntest ! -e new\n```\n<!-- file: new -->\n```\n```\n<!-- run -->\n```sh\ntest -e new\n```\n"
    )
    follow(written(tmp_path, text), copy)
    assert [step.kind for step in steps(text)] == ["run", "file", "run"]


def test_blocks_without_a_marker_are_for_reading() -> None:
    assert [step.kind for step in steps(PAGE)] == ["file", "append", "replace", "run"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!-- replace: twice.txt -->\n```\none\n```\n```\ntwo\n```\n", r"line 2: this block is 2 times in twice\.txt"),
        (
            "<!-- replace: twice.txt -->\n```\nzero\n```\n```\ntwo\n```\n",
            r"line 2: this block is 0 times in twice\.txt",
        ),
        ("<!-- file: twice.txt -->\n```\none\n```\n", r"line 1: twice\.txt is there already"),
        ("<!-- append: other.txt -->\n```\none\n```\n", r"line 1: other\.txt is not there"),
        ("<!-- file: ../other.txt -->\n```\none\n```\n", r"line 1: \.\./other\.txt is outside the repository"),
        ("<!-- run -->\n```sh\necho so far; false\n```\n", r"line 1: the command failed \(1\)(?s:.*)so far"),
    ],
)
def test_step_that_cannot_be_followed_is_named(tmp_path: Path, copy: Path, text: str, message: str) -> None:
    with pytest.raises(PageError, match=r"^add-a-greeting\.md: " + message):
        follow(written(tmp_path, text + "```sh\ntrue\n```\n"), copy)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Nothing is run.\n", "no command is run"),
        ("<!-- file -->\n```\nx\n```\n", "line 1: 'file' needs a path"),
        ("<!-- run: x -->\n```sh\nx\n```\n", "line 1: 'run' takes no path"),
        ("<!-- replace: x -->\n```\nold\n```\n<!-- run -->\n```sh\ntrue\n```\n", "'replace' needs 2 code blocks"),
        ("<!-- file: x -->\n", "line 1: 'file' needs 1 code blocks"),
        ("```sh\nnever ends\n", "line 1: this code block has no end"),
    ],
)
def test_malformed_page_is_refused(text: str, message: str) -> None:
    with pytest.raises(PageError, match=message):
        steps(text)

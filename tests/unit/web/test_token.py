"""The token file."""

import logging
import stat
from pathlib import Path

import pytest

from adapterd.errors import ConfigError
from adapterd.web.token import load_token


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "http-token"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_missing_token_is_made_private_and_kept(path: Path) -> None:
    token = load_token(path)
    assert len(token) == 43
    assert mode(path) == 0o600
    assert load_token(path) == token


def test_no_two_tokens_are_the_same(tmp_path: Path) -> None:
    assert load_token(tmp_path / "a") != load_token(tmp_path / "b")


def test_a_token_that_others_may_read_is_made_private_and_said_so(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    token = load_token(path)
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING, "adapterd"):
        assert load_token(path) == token
    assert mode(path) == 0o600
    assert "could be read by others" in caplog.text


@pytest.mark.parametrize("content", ["", "short\n", "two words " * 10, "ü" * 40, "a" * 40 + "\n" + "b" * 40])
def test_a_file_without_a_good_token_is_refused(path: Path, content: str) -> None:
    path.write_text(content)
    with pytest.raises(ConfigError, match="does not hold one line") as caught:
        load_token(path)
    assert "remove the file" in caught.value.hint


def test_a_token_file_that_is_no_text_or_no_file_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff" * 40)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_token(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        load_token(path)


def test_a_home_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read or made"):
        load_token(tmp_path / "missing" / "http-token")

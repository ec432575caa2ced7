"""Notifications on the desktop: what is run for them, and that nothing of it can do harm."""

import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapterd.system import notify as module
from adapterd.system.notify import notify

WORDS = ("newsbrief-synth 1.4.0", """it's "better"; $(rm -rf /) `x` é 猫\nby 4 %""")
Fake = Callable[[str, str], Path]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a program of a name first on PATH that does what a line of shell says; returns where `$OUT` points."""
    folder, out = tmp_path / "bin", tmp_path / "out"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("OUT", str(out))

    def make(name: str, line: str) -> Path:
        program = folder / name
        program.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        program.chmod(0o755)
        return out

    return make


RECORD = 'printf \'%s\\0\' "$@" > "$OUT"'


def said(out: Path) -> list[str]:
    return out.read_text(encoding="utf-8").split("\0")[:-1]


def test_macos_gets_title_and_text_as_arguments_of_a_fixed_script(fake: Fake) -> None:
    out = fake("osascript", RECORD)

    assert notify(*WORDS, "darwin")
    assert said(out) == [
        "-e", "on run argv",
        "-e", "display notification (item 2 of argv) with title (item 1 of argv)",
        "-e", "end run",
        *WORDS,
    ]  # fmt: skip


def test_linux_gets_them_after_the_end_of_the_options(fake: Fake) -> None:
    out = fake("notify-send", RECORD)

    assert notify(*WORDS, "linux")
    assert said(out) == ["--app-name=adapterd", "--", *WORDS]


def test_on_linux_the_text_is_shown_as_it_is(fake: Fake) -> None:
    out = fake("notify-send", RECORD)
    notify("a < b", "f1 < 0.9 & <a href='x'>y</a> C:\\new", "linux")

    assert said(out)[2:] == ["a < b", "f1 &lt; 0.9 &amp; &lt;a href='x'&gt;y&lt;/a&gt; C:\\\\new"]


@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_without_a_program_for_it_nothing_happens(
    platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert notify(*WORDS, platform) is False


def test_a_desktop_that_refuses_is_told(fake: Fake) -> None:
    fake("notify-send", "echo 'Cannot autolaunch D-Bus without X11 $DISPLAY' >&2; exit 1")

    assert notify(*WORDS, "linux") is False


def test_a_notification_prints_nothing(fake: Fake, capfd: pytest.CaptureFixture[str]) -> None:
    fake("notify-send", "echo out; echo err >&2; cat")
    notify(*WORDS, "linux")

    assert capfd.readouterr() == ("", "")


def test_a_program_that_hangs_is_not_waited_for(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_S", 0.05)
    fake("notify-send", f"exec {shlex.quote(sys.executable)} -c 'import time; time.sleep(30)'")

    assert notify(*WORDS, "linux") is False


@pytest.mark.parametrize("text", ["a\0b", "half \ud800 a character", "x" * 300_000])
def test_a_text_that_no_program_can_be_given_is_not_shown(fake: Fake, text: str) -> None:
    fake("osascript", RECORD)

    assert notify("title", text, "darwin") is False


@given(st.text())
def test_notify_send_reads_the_text_back_as_it_was(text: str) -> None:
    """It replaces backslash escapes, then the desktop entities."""
    from html import unescape

    sent = module._plain(text)

    assert "<" not in sent
    assert ">" not in sent
    assert "\\" not in sent.replace("\\\\", "")
    assert unescape(sent.replace("\\\\", "\\")) == unescape(text.replace("&", "&amp;"))

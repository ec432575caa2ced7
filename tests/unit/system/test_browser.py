"""Where a person's browser is asked to show a link."""

import sys
import webbrowser

import pytest

from adapterd.system.host import browser

LINK = "http://127.0.0.1:1/enter?ticket=x"


@pytest.mark.parametrize(
    ("platform", "display", "asked"),
    [("darwin", {}, True), ("linux", {}, False), ("linux", {"DISPLAY": ":0"}, True),
     ("linux", {"WAYLAND_DISPLAY": "wayland-0"}, True), ("linux", {"DISPLAY": ""}, False)],
)  # fmt: skip
def test_a_browser_is_asked_where_it_can_be_seen(
    monkeypatch: pytest.MonkeyPatch, platform: str, display: dict[str, str], asked: bool
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(sys, "platform", platform)

    def show(link: str) -> bool:
        shown.append(link)
        return True

    monkeypatch.setattr(webbrowser, "open", show)
    for name in browser.DISPLAYS:
        monkeypatch.delenv(name, raising=False)
    for name, value in display.items():
        monkeypatch.setenv(name, value)
    assert browser.open_in_browser(LINK) is asked
    assert shown == [LINK] * asked

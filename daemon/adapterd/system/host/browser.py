"""A person's browser: macOS always has one, Linux where there is a display to show it on."""

import os
import sys
import webbrowser

DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY")


def open_in_browser(link: str) -> bool:
    """Have the person's browser show a link; returns whether there is one that does. A browser of text, which would
    take over the terminal, is not asked."""
    if sys.platform != "darwin" and not any(map(os.environ.get, DISPLAYS)):
        return False
    return webbrowser.open(link)

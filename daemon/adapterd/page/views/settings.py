"""Settings as they hold, each with where it comes from. They are changed in the file, which is checked here."""

from adapterd.config.effective import entries
from adapterd.deployment.config_file import written_settings
from adapterd.page.desk import Desk


def show(desk: Desk) -> str:
    """GET /settings."""
    found = entries(desk.settings, written_settings(desk.home))
    return desk.page("settings", "Settings", entries=found, file=desk.home.config_file)

"""Examples that a teacher makes before a run begins, where the settings want it."""

import logging
import os
from collections.abc import Callable

from adapterd.config import Settings
from adapterd.errors import AdapterdError
from adapterd.home import Home
from adapterd.system.child.call import call
from adapterd.teachers.nightly import teach_now

log = logging.getLogger(__name__)
GRACE_S = 600.0
"""So long may preparing and filtering take, beside the minutes in which the teacher is asked."""


def have_taught(
    home: Home,
    settings: Settings,
    model: str,
    listen: Callable[[str, dict[str, float]], object],
    notify: Callable[[str], object],
) -> None:
    """Have the model's teacher make examples, if it is to before each run. A run does without where it cannot."""
    if not settings.models[model].teaching.nightly:
        return
    listen("teaching", {"share": 0.0})
    longest_s = max(each.max_minutes for each in settings.teachers.values()) * 60 + GRACE_S
    keys = {each.key_env for each in settings.teachers.values()}
    variables = {name: value for name, value in os.environ.items() if name in keys}
    try:
        notify(call(teach_now, home.root, model, timeout_s=longest_s, variables=variables))
    except (AdapterdError, OSError) as exc:
        notify(f"{model}: its teacher made nothing: {exc}")
    except Exception as exc:  # whatever went wrong there, a run does without
        log.exception("%s: its teacher made nothing", model)
        notify(f"{model}: its teacher made nothing: {type(exc).__name__}: {exc}")
    listen("teaching", {"share": 1.0})

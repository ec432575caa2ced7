"""Examples that a teacher makes before a run begins, and what the card of a version says of such examples."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adapterd.config import Preferences, Settings
from adapterd.dataset.curation.whose import whose
from adapterd.errors import AdapterdError
from adapterd.formats.encoded import PAIRS, TRAIN, read_examples, read_pairs
from adapterd.formats.json_files import lines_of
from adapterd.formats.run_folder import SYNTHETIC
from adapterd.formats.synthetic import TeacherExample, read_synthetic
from adapterd.home import Home
from adapterd.runs.plan import RunPlan
from adapterd.runs.planning.nightly import teach_now
from adapterd.runs.planning.unload import unloaded_after
from adapterd.store import Store
from adapterd.system.child.call import call
from adapterd.teachers.rounds import made_by_teachers

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
    """Have the model's teacher make examples, if it is to before each run, and give back the memory that this took in
    Ollama. A run does without where it cannot."""
    if not settings.models[model].teaching.nightly:
        return
    listen("teaching", {"share": 0.0})
    longest_s = max(each.max_minutes for each in settings.teachers.values()) * 60 + GRACE_S
    judges = [each for name, each in settings.judges.items() if name == settings.models[model].teaching.judge]
    keys = {each.key_env for each in (*settings.teachers.values(), *judges)}
    variables = {name: value for name, value in os.environ.items() if name in keys}
    try:
        with unloaded_after(settings, model):
            notify(call(teach_now, home.root, model, timeout_s=longest_s, variables=variables))
    except (AdapterdError, OSError) as exc:
        notify(f"{model}: its teacher made nothing: {exc}")
    except Exception as exc:  # whatever went wrong there, a run does without
        log.exception("%s: its teacher made nothing", model)
        notify(f"{model}: its teacher made nothing: {type(exc).__name__}: {exc}")
    listen("teaching", {"share": 1.0})


def yield_of_teachers(store: Store, model: str) -> dict[str, Any]:
    """Of how many examples those are kept that a run gets, as its plan has it; empty where no teacher made any."""
    made = made_by_teachers(store, model)
    return made.of_all.as_dict() if made else {}


def of_teachers(folder: Path) -> list[TeacherExample]:
    """The examples of teachers that a run has in its folder; none in a run of an earlier release."""
    file = folder / SYNTHETIC
    return list(read_synthetic(lines_of(file))) if file.is_file() else []


def with_whose(card: dict[str, Any], plan: RunPlan, folder: Path, dataset: Path) -> dict[str, Any]:
    """The data card with whose the examples are that are trained on, by the written sets, and with what teachers had
    made; an adapter that was given is trained on nothing."""
    if plan.given:
        return card
    training = plan.made_with.training
    with_pairs = training.preferences is Preferences.DPO
    pairs = list(read_pairs(dataset / PAIRS)) if with_pairs else []
    train = () if pairs and not training.sft_weight else read_examples(dataset / TRAIN)
    found = card | {"whose": whose(train, pairs, of_teachers(folder))}
    return found | {"teacher_yield": plan.synthetic_yield} if plan.synthetic_yield else found

"""The memory that a teacher took in Ollama, given back before a training begins."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from adapterd.config import RemoteModel, Settings
from adapterd.errors import NotFoundError
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.tags import ModelTags, listed_name
from adapterd.teachers.configured import is_elsewhere, teacher_name

log = logging.getLogger(__name__)


@contextmanager
def unloaded_after(settings: Settings, model: str) -> Iterator[None]:
    """Within, the model's teacher, and the judge of its examples, may be asked. Behind, the Ollama of this machine is
    asked to unload those that were not in its memory before; what applications use, the live tags, stays. That this is
    not possible is logged, and nothing else comes of it."""
    ollama = OllamaRuntime(settings.ollama.host, settings.ollama.timeout_s)
    asked = _asked(settings, model)
    before = _loaded(ollama) if asked else None
    try:
        yield
    finally:
        if before is not None:
            _unload(ollama, settings, model, before, asked)


def _asked(settings: Settings, model: str) -> list[str]:
    """The tags of the teacher and the judge, as far as the Ollama of this machine has their weights."""
    try:
        found: list[RemoteModel] = [settings.teachers[teacher_name(settings, model)]]
    except NotFoundError:
        return []
    if judge := settings.models[model].teaching.judge:
        found.append(settings.judges[judge])
    return [each.model for each in found if each.base_url is None and not is_elsewhere(each, settings)]


def _loaded(ollama: OllamaRuntime) -> Mapping[str, str] | None:
    """What is in its memory, None where nobody says."""
    try:
        return ollama.loaded()
    except Exception as exc:  # a run does without
        log.info("nothing will be unloaded: %s", exc)
        return None


def _unload(ollama: OllamaRuntime, settings: Settings, model: str, before: Mapping[str, str], asked: list[str]) -> None:
    try:
        loaded, present = ollama.loaded(), ollama.tags()
        for each in asked:
            tag = listed_name(each, present)
            if tag and tag in loaded and tag not in before and not _is_live(ollama, settings, tag, present):
                ollama.unload(tag)
                log.info("%s: Ollama was asked to unload %s, which was loaded to make examples", model, tag)
    except Exception as exc:  # the training may have less memory, and goes on
        log.warning("%s: what was loaded to make examples stays in the memory of Ollama: %s", model, exc)


def _is_live(ollama: OllamaRuntime, settings: Settings, tag: str, present: Mapping[str, str]) -> bool:
    """Whether a tag is what a model has live, or of the same file: Ollama has one file in its memory once."""
    lives = [live for name in settings.models if (live := ModelTags(name).live) in present]
    if any(live == tag or present[live] == present[tag] for live in lives):
        return True
    file = ollama.show(tag).stored_digest
    return file is not None and any(ollama.show(live).stored_digest == file for live in lives)

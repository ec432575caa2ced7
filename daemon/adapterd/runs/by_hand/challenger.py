"""Dropping the challenger by hand: it collects no more evidence, and the next night chooses another one."""

from adapterd.config import ModelSettings
from adapterd.errors import NotFoundError
from adapterd.evidence.season import Rules, Season
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Comparison, Purpose

BY_HAND = "by hand"


def challenger_of(store: Store, model: str) -> Comparison:
    """The challenger and what it is compared with; raises NotFoundError where there is none."""
    found = store.comparisons.open(model, Purpose.CHALLENGE)
    if found is None:
        raise NotFoundError(f"{model} has no challenger", hint=f"`adapterctl evidence {model}` says why")
    return found


def drop_challenger(store: Store, model: str, settings: ModelSettings) -> Comparison:
    """Drop the challenger, and give back what is left of its stake; returns its comparison as it ended. Raises
    NotFoundError where there is none."""
    found = challenger_of(store, model)
    Season(store, model, Rules.of(settings)).drop(found, BY_HAND)
    return next(each for each in store.comparisons.all(model) if each.id == found.id)

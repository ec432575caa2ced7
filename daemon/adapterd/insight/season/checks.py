"""For `doctor`: whether evidence is collected, and what keeps it from deciding anything."""

from collections.abc import Iterator

from adapterd.config import ModelSettings
from adapterd.evidence.season import LEAST_LEVEL
from adapterd.evidence.words import NEEDED
from adapterd.insight.season.compared import Compared, open_of
from adapterd.insight.season.evidence import budget_left
from adapterd.scheduling.evidence import is_to_be_watched
from adapterd.store import Store
from adapterd.store.evidence.comparisons import Purpose


def season_checks(store: Store, model: str, settings: ModelSettings) -> Iterator[tuple[str, str, str]]:
    """The level of each check, what was found, and what to do; nothing where nothing is compared."""
    watch, challenger = open_of(store, model, Purpose.WATCH), open_of(store, model, Purpose.CHALLENGE)
    if watch and watch.is_proven and not settings.watch.auto_rollback:
        found = f"{watch.version} is proven to be better than {watch.against}, which is live, and the watch is off"
        yield "warning", found, f"adapterctl rollback {model}, or adapterctl watch on {model}"
    if watch is None and _is_unwatched(store, model, settings):
        found = "what is live is not watched: too many promotions have used up this year's error budget of the watch"
        yield "warning", found, f"it grows every night; `adapterctl rollback {model}` goes back if live is worse"
    for compared in filter(None, (challenger, watch)):
        if compared.only_mistakes:
            yield "warning", _only_mistakes(compared), f"{NEEDED} (docs/evidence.md)"
        else:
            subject = compared.version if compared is challenger else compared.against
            yield "ok", f"evidence on {subject}: {compared.text}", ""


def _is_unwatched(store: Store, model: str, settings: ModelSettings) -> bool:
    live = store.versions.deployment(model)
    if live is None or not live.previous or not is_to_be_watched(store, live):
        return False
    return budget_left(store, model, settings, Purpose.WATCH).left < LEAST_LEVEL


def _only_mistakes(compared: Compared) -> str:
    shown = compared.standing.shown if compared.standing else 0
    return (
        f"nothing decides between {compared.version} and {compared.against}: all {shown} cases are corrections of what "
        f"one of the two had answered"
    )

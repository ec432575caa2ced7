"""More pairs for a judge: captured prompts by chance, which two versions answer, as for people's blind choices."""

from collections.abc import Callable

from adapterd.capture.captures import Captures
from adapterd.config import Settings
from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.review.choices import Pair, make_choices
from adapterd.review.frame import Frame
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store


def make_pairs(
    store: Store,
    home: Home,
    settings: Settings,
    model: str,
    pair: Pair,
    count: int,
    on_progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> int:
    """Have two versions answer captured prompts until so many pairs are new; they wait for people, too. Returns how
    many these are. Raises NotFoundError where nothing is captured, and what the runtime raises."""
    if not home.captures.is_file():
        raise NotFoundError("no prompt is captured yet", hint="adapterctl capture on")
    with Captures(home.captures) as captures:
        frame = Frame.of(store, captures, model)
        return make_choices(frame, pair, runtime_for(settings, home), settings.models[model], count, on_progress)

"""Register an adapter that was made elsewhere: it passes the same stages and gates as a trained one."""

from pathlib import Path

from adapterd.errors import NotFoundError
from adapterd.formats.adapter_files import find_adapter
from adapterd.formats.run_folder import PLAN
from adapterd.home import Home
from adapterd.runs.pipeline import Pipeline, RunOutcome
from adapterd.runs.plan import GivenAdapter, open_plan
from adapterd.runs.version_numbers import Increment
from adapterd.store import Store
from adapterd.system.files import named_path


def register(pipeline: Pipeline, model: str, source: Path, increment: Increment) -> RunOutcome:
    """Make a version of the adapter in the folder `source`, or go on with that; returns when it is live or held.

    Raises NotFoundError or InputError for what is no adapter, BusyError while another run goes on, and what a stage
    raised: the adapter may not fit the base, and there may be too little feedback to judge it by.
    """
    given = _given(pipeline.store, pipeline.home, model, named_path(source), increment)
    return pipeline.run(model, f"registered by hand from {given.source}", given)


def _given(store: Store, home: Home, model: str, source: Path, increment: Increment) -> GivenAdapter:
    """The adapter in that folder; one that is gone since its run was begun is in the run's own."""
    try:
        files = find_adapter(source)
        if files.config is None:
            _require_lora(files.weights)
        return GivenAdapter(source, files.digest(), increment)
    except NotFoundError:
        begun = _begun(store, home, model)
        if begun is None or (begun.source, begun.increment) != (source, increment):
            raise
        return begun


def _require_lora(path: Path) -> None:
    """Raise InputError for a GGUF of something else, by its header: whole models are large to read and to copy."""
    from adapterd.base.gguf.lora_gguf import LoraGguf

    LoraGguf.open(path)


def _begun(store: Store, home: Home, model: str) -> GivenAdapter | None:
    """What the model's unfinished run registers, if there is one."""
    last = store.runs.latest(model)
    if last is None or not last.state.open or not (home.run(last.id) / PLAN).is_file():
        return None
    return open_plan(home, last).given

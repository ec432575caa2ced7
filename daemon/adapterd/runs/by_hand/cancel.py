"""Cancel an unfinished run: a process that works on it ends within a second; without one it is given up at once."""

from adapterd.errors import NotFoundError
from adapterd.home import Home
from adapterd.runs import training_jobs
from adapterd.store import Store
from adapterd.store.runs import RunState
from adapterd.system.locks import is_held

BY_HAND = "cancelled by hand"


def cancel(store: Store, home: Home, model: str, reason: str) -> str:
    """Have the model's unfinished run given up; returns its id. Feedback stays new, for the next run to learn from.

    Raises NotFoundError if no run of the model is unfinished.
    """
    run, reason = store.runs.latest(model), reason or BY_HAND
    if run is None or not run.state.open:
        raise NotFoundError(f"no run of {model} is going on or waits to be continued")
    given_up_here = not (run.state is RunState.RUNNING and is_held(home.run_lock))
    with store.transaction():
        store.runs.request_cancel(run.id, reason)
        if given_up_here:
            store.runs.set_state(run.id, RunState.ABANDONED, error=reason)
        store.schedule_state.not_due(model, blocked_by=reason)
        store.events.add("run.cancelled", f"run {run.id}: {reason}", model=model)
    if given_up_here:
        training_jobs.give_up(store, run.id)
    return run.id

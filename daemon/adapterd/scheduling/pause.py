"""Pausing: nothing begins by itself, for one model or for all, until somebody says that it goes on."""

from adapterd.store import Store


def pause(store: Store, model: str | None, reason: str = "") -> None:
    """Let no run of the model (None: of any) begin by itself; pausing again changes the reason."""
    with store.transaction():
        store.schedule_state.pause(model, reason)
        store.events.add("schedule.paused", f"paused{f': {reason}' if reason else ''}", model=model)


def resume(store: Store, model: str | None) -> bool:
    """Take back the pause of the model (None: that of all, not those of single models); returns whether there was one.

    Only a pause that there was is noted in the history.
    """
    with store.transaction():
        ended = store.schedule_state.resume(model)
        if ended:
            store.events.add("schedule.resumed", "goes on", model=model)
    return ended

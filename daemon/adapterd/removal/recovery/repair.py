"""`doctor --repair`: a database that cannot be used is rebuilt, and nothing that was taken back comes back by it."""

from adapterd import config
from adapterd.errors import DamagedStoreError
from adapterd.home import Home
from adapterd.housekeeping.rebuild import WHY, Rebuilt, rebuild
from adapterd.housekeeping.salvage import note_copies
from adapterd.removal.outliving import read_removed, take_up
from adapterd.removal.recovery.places import kept_beside
from adapterd.removal.remove import begin_removal
from adapterd.removal.selection import select_removed
from adapterd.serving.runtimes import runtime_for
from adapterd.store import Store
from adapterd.system.locks import exclusive


def fault_of_store(home: Home) -> str | None:
    """Why the database has to be rebuilt; None if it is sound. Raises NewerStoreError and other StoreErrors, which no
    repair would mend."""
    try:
        with Store(home.database) as store:
            row = store.row("PRAGMA integrity_check")
    except DamagedStoreError as exc:
        return str(exc)
    said = row[0] if row else "it cannot be checked"
    return None if said == "ok" else f"the state database {home.database} is damaged: {said}"


def repair_store(home: Home) -> Rebuilt:
    """Rebuild the database. Raises BusyError while the daemon or a run works on the home, RuntimeUnavailableError where
    the runtime, whose tags say what is live, does not answer."""
    settings = config.load(home)
    present = runtime_for(settings, home).tags()
    busy = "stop the daemon first (adapterctl service stop)"
    with (
        exclusive(home.daemon_lock, timeout_s=1.0, busy=f"the daemon works on {home.root}; {busy}"),
        exclusive(home.run_lock, timeout_s=1.0, busy="a run is going on"),
    ):
        return rebuild(home, settings, present, lambda store: _take_back(store, home))


def _take_back(store: Store, home: Home) -> None:
    """Take out again what was taken back and yet could be read; the daemon, or the next removal, does the rest. Homes
    that were kept aside are copies that removals do not reach, and are noted."""
    note_copies(store, kept_beside(home))
    known = read_removed(home)
    for model, hashes in sorted(known.items()):
        if not (selection := select_removed(store, home, model, hashes)).is_empty:
            begin_removal(store, model, selection, WHY)
    take_up(store, known, WHY)

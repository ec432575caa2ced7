"""The hashes of what was taken back, in a file of their own beside the database.

They outlive a database that is damaged, and tell an older backup that is put back what must not come back with it. Of
the text itself nothing is in them.
"""

import json
from collections.abc import Mapping

from adapterd.home import Home
from adapterd.store import Store
from adapterd.system.files import write_atomic

OF_ANOTHER = "taken back when the home had another database"


def write_removed(store: Store, home: Home) -> None:
    """Write the file anew, with what it has already: another process may know more."""
    known = read_removed(home)
    found = {model: known.get(model, frozenset()) | hashes for model, hashes in store.removals.all_hashes().items()}
    together = {**known, **found}
    if together != known:
        _write(home, together)


def forget_removed(home: Home, model: str, hashes: frozenset[str]) -> None:
    """Take hashes out of the file: what has them may be taken again. Belongs before the database forgets them, so that
    after a kill it still tells of them, and the command can be given again."""
    known = read_removed(home)
    if known.get(model, frozenset()) & hashes:
        _write(home, {**known, model: known[model] - hashes})


def open_store(home: Home) -> Store:
    """The database of a home. One that was made anew learns what was taken back while there was another."""
    store = Store(home.database)
    if home.removed_statements.exists() and store.row("SELECT 1 FROM removed_statements LIMIT 1") is None:
        take_up(store, read_removed(home), OF_ANOTHER)
    return store


def read_removed(home: Home) -> dict[str, frozenset[str]]:
    """The hashes by model; none where there is no file, or none that can be read."""
    try:
        plain = json.loads(home.removed_statements.read_text(encoding="utf-8"))
        return {str(name): frozenset(map(str, hashes)) for name, hashes in plain.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _write(home: Home, hashes: Mapping[str, frozenset[str]]) -> None:
    write_atomic(home.removed_statements, json.dumps({name: sorted(each) for name, each in hashes.items()}))


def take_up(store: Store, hashes: Mapping[str, frozenset[str]], why: str) -> None:
    """Note hashes that the database does not know, each model's with a removal of nothing that is there."""
    for model, wanted in sorted(hashes.items()):
        if missing := wanted - store.removals.hashes(model):
            with store.transaction():
                removal = store.removals.begin(model, why, going=(), hashes=missing, versions={})
                store.removals.cleaned(removal)
                store.removals.done(removal)

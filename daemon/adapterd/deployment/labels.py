"""Labels: a few words by which a person recognises a version."""

from dataclasses import replace

from adapterd.deployment.history import require_version
from adapterd.errors import InputError
from adapterd.store import Store
from adapterd.store.versions import Version

LONGEST = 80


def label_version(store: Store, model: str, version: str, text: str) -> Version:
    """Call a version by these words, or by none if they are empty; returns it as it is then.

    Raises NotFoundError for a version that is not there, InputError for a text that does not fit on a line.
    """
    found, label = require_version(store, model, version), text.strip() or None
    if label and (len(label) > LONGEST or not label.isprintable()):
        raise InputError(f"a label is one line of at most {LONGEST} characters; this one has {len(label)}")
    with store.transaction():
        store.versions.set_label(model, version, label)
        if label != found.label:
            said = f"is now called {label!r}" if label else "has no label any more"
            store.events.add("version.labelled", f"{model} {version} {said}", model=model)
    return replace(found, label=label)

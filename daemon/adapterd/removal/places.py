"""Every place where text of feedback lies in what is ours: what is added here is reached by `feedback remove`.

A place is visited to say what it holds of a text that goes, or to take that out as well. Both are one function, so that
nothing is found that is not taken out. The places are visited in this order, and visiting one twice changes nothing the
second time. docs/howto/add-a-place-of-text.md tells how one is added.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from adapterd.removal import in_captures, in_files, in_inbox, in_store
from adapterd.removal.removed import Scene

Visit = Callable[[Scene, bool], Iterator[str]]
"""Yields what was found, a few words each. With True, all of it has been taken out when the iteration ends."""


@dataclass(frozen=True)
class Place:
    """Where text lies: a name for people, and how it is visited."""

    name: str
    visit: Visit

    def find(self, scene: Scene) -> list[str]:
        """What the place holds of what goes; nothing is changed."""
        return list(self.visit(scene, False))

    def remove(self, scene: Scene) -> list[str]:
        """Take out what goes; returns what that was."""
        return list(self.visit(scene, True))


PLACES: tuple[Place, ...] = (
    Place("records", in_store.records),
    Place("copies in the inbox", in_inbox.own_copies),
    Place("quarantine", in_inbox.quarantine),
    Place("notes about the quarantine", in_store.quarantine_notes),
    Place("prompts without answers", in_store.prompt_pool),
    Place("what teachers were asked and answered", in_store.teacher_requests),
    Place("synthetic examples", in_store.synthetic_examples),
    Place("recorded conversations", in_captures.captures),
    Place("frozen evaluation sets", in_store.evaluation_sets),
    Place("results of stages and runs", in_store.journal),
    Place("runs", in_files.runs),
    Place("versions", in_store.versions),
    Place("folders of versions", in_files.version_folders),
    Place("evidence of fresh cases", in_store.evidence),
    Place("answers beside each other", in_store.choices),
    Place("key facts of frozen cases", in_store.rubrics),
    Place("cached answers", in_files.answers),
    Place("cached hidden states", in_files.hidden_states),
    Place("history", in_store.history),
    Place("logs", in_files.logs),
    Place("unfinished files", in_files.unfinished),
)

"""Marking answers to frozen cases: which of the case's key facts an answer has, and whether it is on topic.

Whose answer it is is not told, and the cases come in the order of their hashes, which no answer depends on: those that
were marked are a sample of all. Two versions that answer the same have one mark.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from adapterd.deployment.history import require_version
from adapterd.errors import InputError, NotFoundError
from adapterd.evidence.kept_answers import KeptAnswer, kept_answers, versions_with_answers
from adapterd.review.facts import proposed
from adapterd.serving.tags import is_base
from adapterd.store import Store
from adapterd.store.reviews.rubrics import Facts, Mark, facts_hash

Key = tuple[str, str]
"""The hashes of a case and of an answer to it."""


@dataclass(frozen=True)
class Item:
    """An answer to be marked; `facts` are those of its case, proposed where nobody kept any."""

    given: KeptAnswer
    facts: Facts
    mark: Mark | None

    @property
    def key(self) -> Key:
        """What names it."""
        return self.given.case, self.given.answer

    @property
    def is_marked(self) -> bool:
        """Whether somebody marked it with the facts that the case has now."""
        return self.mark is not None and self.mark.facts == facts_hash(self.facts)


@dataclass(frozen=True)
class Marking:
    """The answers of some versions of a model as they stand, in the order in which they are shown."""

    store: Store
    model: str
    versions: tuple[str, ...]
    items: Mapping[Key, Item]

    @classmethod
    def of(cls, store: Store, model: str, version: str | None = None) -> "Marking":
        """Of one version, or of the newest one with kept answers and the one that is live. Raises NotFoundError for a
        version that there is not."""
        if version and not is_base(version):
            require_version(store, model, version)
        deployment = store.versions.deployment(model)
        newest = versions_with_answers(store, model)[:1]
        both = [*newest, *([deployment.live] if deployment and newest else [])]
        versions = (version,) if version else tuple(dict.fromkeys(both))
        marks = {(each.case, each.answer): each for each in store.rubrics.marks(model)}
        facts = store.rubrics.facts(model)
        answers = {(a.case, a.answer): a for name in versions for a in kept_answers(store, model, name)}
        items = {
            key: Item(each, _facts(each, facts), marks.get(key))
            for key, each in sorted(answers.items(), key=lambda pair: pair[0])
        }
        return cls(store, model, versions, items)

    @property
    def left(self) -> int:
        """How many answers are to be marked."""
        return sum(not each.is_marked for each in self.items.values())

    def next(self, after: Key | None = None) -> Item | None:
        """The first that is to be marked behind one that was marked or skipped, else the first of all."""
        waiting = [each for each in self.items.values() if not each.is_marked]
        behind = [each for each in waiting if after and each.key > after]
        return next(iter([*behind, *waiting]), None)

    def item(self, key: Key) -> Item:
        """The item of a form. Raises NotFoundError where its answer is not there any more."""
        found = self.items.get(key)
        if found is None:
            raise NotFoundError("this answer is not there any more", hint="load the page anew")
        return found

    def mark(self, item: Item, ticked: Collection[int], *, on_topic: bool) -> None:
        """Keep what somebody said of an answer, and the facts with their case. Raises InputError where it was marked
        already, and for a place of a fact that there is not."""
        if item.is_marked:
            raise InputError("this answer was marked already", hint="undo that first, to mark it anew")
        places = tuple(sorted(set(ticked)))
        if not all(0 <= place < len(item.facts) for place in places):
            raise InputError("the form ticks off a fact that there is not", hint="load the page anew")
        with self.store.transaction():
            self.store.rubrics.put_facts(self.model, item.given.case, item.facts)
            made = Mark(*item.key, facts_hash(item.facts), len(item.facts), places, on_topic)
            self.store.rubrics.mark(self.model, made)

    def change_facts(self, item: Item, facts: Facts) -> None:
        """Keep other facts with the case, for every version. Marks that were made with the former ones no longer count
        for the coverage."""
        self.store.rubrics.put_facts(self.model, item.given.case, facts)


def undo_last(store: Store, model: str) -> Mark:
    """Take back the last mark. Raises NotFoundError where there is none."""
    last = next(reversed(store.rubrics.marks(model)), None)
    if last is None:
        raise NotFoundError("nothing was marked yet that could be undone")
    store.rubrics.forget_mark(model, last)
    return last


def _facts(given: KeptAnswer, kept: Mapping[str, Facts]) -> Facts:
    known = kept.get(given.case)
    return proposed(given.reference, given.key_facts) if known is None else known

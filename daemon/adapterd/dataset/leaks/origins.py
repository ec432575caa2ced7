"""How many cases of a frozen set may come from one origin, so that nobody who gives a lot decides who judges."""

from collections import Counter
from collections.abc import Mapping

ENOUGH = 10
"""Prompts that the other origins have to have before one of them is limited: a few would make the set useless."""
KEPT = 2
"""Of an origin that is to fill the places of another one, at most one of so many prompts judges; it teaches, too."""


def places_by_origin(prompts: Mapping[str, int], size: int, share: float) -> Mapping[str, int]:
    """How many of `size` cases each origin may have, by how many prompts it has; together these may be fewer.

    Where there are several origins, none has more than the share of all cases, or an equal one with the others.
    """
    total = sum(prompts.values())
    free = {origin for origin, count in prompts.items() if total - count < ENOUGH}
    if share >= 1 or len(prompts) < 2 or free:
        return dict(prompts)
    share = max(share, 1 / len(prompts))
    for wanted in range(min(size, total), 1, -1):
        most = max(1, int(share * wanted + 1e-9))
        places = {origin: most if count > most * KEPT else max(1, count // KEPT) for origin, count in prompts.items()}
        if sum(min(most, each) for each in places.values()) >= wanted:
            return {origin: min(most, each) for origin, each in places.items()}
    return dict.fromkeys(prompts, 1)


def in_words(origins: Mapping[str, int] | Counter[str]) -> str:
    """`http 12, shop 3`, the largest first."""
    ordered = sorted(origins.items(), key=lambda each: (-each[1], each[0]))
    return ", ".join(f"{origin} {count}" for origin, count in ordered)

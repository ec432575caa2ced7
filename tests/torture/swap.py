"""How long a rollback takes, against a real Ollama: the swap with its check, and the whole command, with the daemon
alive and with it dead; beside the swap, what the bare API calls take."""

import argparse
import time
from collections.abc import Callable
from typing import Any

from adapterd.deployment.deploy import Deployer, Swap
from adapterd.serving.tags import ModelTags
from adapterd.store import Store
from tests.acceptance.person import MODEL
from tests.torture.alone import alone
from tests.torture.ready import Ready, percentiles, ready

BEFORE, AFTER = "1.0.0", "1.1.0"
TAGS = ModelTags(MODEL)


def add_options(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--swaps", type=int, default=200, help="rollbacks with the daemon alive, and as many without")
    parser.add_argument("--swap-commands", type=int, default=100, help="the same of `adapterctl rollback --no-warm`")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """The figures of the scenario that is meant, or of both by their names."""
    both: dict[str, Callable[[Ready], dict[str, Any]]] = {
        "rollback_ms": lambda place: _of_swaps(place, options.swaps),
        "rollback_command_ms": lambda place: _of_commands(place, options.swap_commands),
    }
    with ready((BEFORE, AFTER), options.keep) as place:
        if options.scenario in both:
            return both[options.scenario](place)
        return {name: figures(place) for name, figures in both.items()}


def _of_swaps(place: Ready, count: int) -> dict[str, Any]:
    """To copy the tag and to check it; `with_record` is that with the lock, the intent and the record."""
    swaps: list[Swap] = []
    whole_dead, whole_alive = _dead_and_alive(place, count, lambda deployer: swaps.append(deployer.rollback(MODEL)))
    dead, alive = ([swap.swap_ms for swap in half] for half in (swaps[:count], swaps[count:]))
    return {
        **_figures(dead, alive),
        "with_record": percentiles(whole_dead + whole_alive),
        "bare": percentiles(_bare(place, count)),
    }


def _of_commands(place: Ready, count: int) -> dict[str, Any]:
    """The command from its start to its end."""

    def command(_: Deployer) -> None:
        said = place.person.run("rollback", "--no-warm")
        if said.code:
            raise RuntimeError(said.stderr)

    return _figures(*_dead_and_alive(place, count, command))


def _figures(dead: list[float], alive: list[float]) -> dict[str, Any]:
    together = dead + alive
    return {**percentiles(together), "dead": percentiles(dead), "alive": percentiles(alive), "runs": len(together)}


def _dead_and_alive(
    place: Ready, count: int, rollback: Callable[[Deployer], object]
) -> tuple[list[float], list[float]]:
    """Milliseconds of every rollback without and with a daemon; before each, a version is promoted."""
    dead = _rollbacks(place, count, rollback)
    with place.person.daemon():
        return dead, _rollbacks(place, count, rollback)


def _rollbacks(place: Ready, count: int, rollback: Callable[[Deployer], object]) -> list[float]:
    took_ms = []
    with Store(place.person.home.database) as store:
        deployer = place.deployer(store)
        _have_live(deployer, BEFORE)
        for _ in range(count):
            _have_live(deployer, AFTER)
            took_ms.append(_ms(lambda: rollback(deployer)))
    return took_ms


def _have_live(deployer: Deployer, version: str) -> None:
    recorded = deployer.store.versions.deployment(MODEL)
    if recorded is None or recorded.live != version:
        deployer.promote(MODEL, version, "")


def _bare(place: Ready, count: int) -> list[float]:
    """The two calls alone: copy, then list."""

    def swap(version: str) -> None:
        place.runtime.copy(TAGS.version(version), TAGS.live)
        place.runtime.tags()

    return [_ms(lambda version=(BEFORE, AFTER)[turn % 2]: swap(version)) for turn in range(count)]  # type: ignore[misc]


def _ms(act: Callable[[], object]) -> float:
    started = time.perf_counter()
    act()
    return (time.perf_counter() - started) * 1000


if __name__ == "__main__":
    alone(add_options, run)

"""Promote and rollback by many at once, and daemons that fight for a home: what is recorded is what is served.

Two command lines and two processes change the tags of one model in a real Ollama as quickly as they can, while a daemon
is alive. After every change, and of the whole history at the end, record and tags have to agree.
"""

import argparse
import json
import multiprocessing
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

from adapterd.deployment.deploy import Deployer
from adapterd.deployment.history import promotion_stack
from adapterd.errors import AdapterdError, BusyError, InputError
from adapterd.home import Home
from adapterd.serving.tags import BASE, ModelTags
from adapterd.store import Store
from adapterd.store.versions import PROMOTE, Deployment
from tests.acceptance.person import MODEL, Daemon, Person, wait_until
from tests.torture.alone import alone
from tests.torture.ready import ready
from tests.torture.report import say

VERSIONS = ("1.0.0", "1.1.0", "1.2.0")
TAGS = ModelTags(MODEL)
AT_ONCE = 2
"""So many of each kind."""
SWAPPED, REFUSED, BUSY, FAULT = "swapped", "refused", "busy", "fault"
OUTCOMES = {0: SWAPPED, InputError.exit_code: REFUSED, BusyError.exit_code: BUSY}

Act = tuple[str, ...]


@dataclass(frozen=True)
class Done:
    """What came of one act: after SWAPPED, `live` is live instead of `replaced`; `faults` are sentences. It is not
    checked where the others did not let go of the tags for long."""

    outcome: str
    live: str = ""
    replaced: str = ""
    faults: tuple[str, ...] = ()
    is_checked: bool = False


def add_options(parser: argparse.ArgumentParser) -> None:
    """How often."""
    parser.add_argument("--race-commands", type=int, default=500, help="promotions and rollbacks by two command lines")
    parser.add_argument("--race-calls", type=int, default=1000, help="the same by two processes without a command line")
    parser.add_argument("--race-daemons", type=int, default=20, help="how often two daemons are started at once")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """How many operations there were, what came of them, and how many left something `inconsistent`."""
    with ready(VERSIONS, options.keep) as place:
        daemons = list(_duels(place.person, options.race_daemons))
        with place.person.daemon() as daemon:
            done = _race(place.person.home.root, options.seed, options.race_commands, options.race_calls)
            done += _refused_daemon(place.person, daemon)
        with Store(place.person.home.database) as store:
            history = _faults_of_history(place.deployer(store), done)
    faults = [*daemons, *(fault for each in done for fault in each.faults), *history]
    for fault in faults:
        say(f"race: {fault}")
    outcomes = Counter(each.outcome for each in done)
    return {
        "operations": len(done),
        "inconsistent": len(faults),
        **{outcome: outcomes[outcome] for outcome in (SWAPPED, REFUSED, BUSY)},
        "unchecked": sum(not each.is_checked for each in done),
        "daemons": 2 * options.race_daemons,
    }


def _race(root: Path, seed: int, commands: int, calls: int) -> list[Done]:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, spawn) as processes, ThreadPoolExecutor(AT_ONCE) as threads:
        turns = [processes.submit(by_calls, root, f"{seed} call {n}", calls // AT_ONCE) for n in range(AT_ONCE)]
        turns += [threads.submit(by_commands, root, f"{seed} {n}", commands // AT_ONCE) for n in range(AT_ONCE)]
        return [done for turn in turns for done in turn.result()]


def by_commands(root: Path, seed: str, count: int) -> list[Done]:
    """So many acts, each a process of its own as a person starts it."""
    person = Person(Home(root))
    return _acts(person, seed, count, lambda _, act: _command(person, act))


def by_calls(root: Path, seed: str, count: int) -> list[Done]:
    """So many acts within this process, as the daemon's own promotions are."""
    return _acts(Person(Home(root)), seed, count, _call)


def _acts(person: Person, seed: str, count: int, do: Callable[[Deployer, Act], Done]) -> list[Done]:
    random, found = Random(seed), []
    with Store(person.home.database) as store:
        deployer = Deployer(store, person.home, person.runtime())
        for _ in range(count):
            done = do(deployer, _act(random))
            with suppress(BusyError):
                done = replace(done, is_checked=True, faults=(*done.faults, *_disagreements(deployer)))
            found.append(done)
    return found


def _act(random: Random) -> Act:
    if random.random() < 0.5:
        return ("promote", random.choice(VERSIONS))
    return ("rollback", *random.choice([(), ("--to", random.choice([BASE, *VERSIONS]))]))


def _command(person: Person, act: Act) -> Done:
    said = person.run(*act, *(("--force", "--yes") if act[0] == "promote" else ("--no-warm",)), "--json")
    outcome = OUTCOMES.get(said.code, FAULT)
    if outcome == SWAPPED:
        swap = json.loads(said.stdout)
        return Done(outcome, swap["live"], swap["replaced"])
    return Done(outcome, faults=(f"{act}: {said}",) if outcome == FAULT else ())


def _call(deployer: Deployer, act: Act) -> Done:
    try:
        name, *rest = act
        swap = deployer.promote(MODEL, rest[0], "") if name == "promote" else deployer.rollback(MODEL, *rest[1:])
    except (AdapterdError, OSError) as exc:
        outcome = REFUSED if isinstance(exc, InputError) else BUSY if isinstance(exc, BusyError) else FAULT
        return Done(outcome, faults=(f"{act}: {exc!r}",) if outcome == FAULT else ())
    return Done(SWAPPED, swap.live, swap.replaced)


def _disagreements(deployer: Deployer) -> list[str]:
    """What the record says and the tags do not, while nobody changes either."""
    with deployer.exclusive():
        recorded, digests = deployer.store.versions.deployment(MODEL), deployer.runtime.tags()
        begun = deployer.store.versions.begun_intents(MODEL)
    if recorded is None:
        return ["nothing is recorded as live"]
    wanted: list[tuple[str, str, str | None]] = [(TAGS.live, recorded.live, recorded.live_digest)]
    if recorded.previous:
        wanted.append((TAGS.previous, recorded.previous, recorded.previous_digest))
    faults = [f"{intent} was not finished" for intent in begun]
    for tag, name, digest in wanted:
        if not digests.get(tag) == digest == digests.get(TAGS.version(name)):
            faults.append(f"{tag} is {digests.get(tag)}, recorded is {name} ({digest})")
    return faults


def _faults_of_history(deployer: Deployer, done: Sequence[Done]) -> list[str]:
    """Whether every change began where the one before had ended, and none was lost or made twice."""
    versions, digests = deployer.store.versions, deployer.runtime.tags()
    history = versions.deployments(MODEL)
    recorded = Counter((before.live, after.live) for before, after in pairwise(history))
    told = Counter((each.replaced, each.live) for each in done if each.outcome == SWAPPED)
    faults = [
        f"{change} is recorded {recorded[change]} times, and was told {told[change]} times"
        for change in recorded | told
        if recorded[change] != told[change]
    ]
    for number in range(1, len(history)):
        before, after = history[:number], history[number]
        if after.live_digest != digests[TAGS.version(after.live)] or after.previous != _way_back(before, after):
            faults.append(f"{after} does not follow from {before[-1]}")
    state = versions.get(MODEL, history[-1].live)
    if state and state.state != "promoted":
        faults.append(f"{state.version} is live and {state.state}")
    return faults + _disagreements(deployer)


def _way_back(before: Sequence[Deployment], after: Deployment) -> str | None:
    """What has to be previous after a change: the first below the live one that is another version."""
    below = promotion_stack(before)[::-1] if after.action == PROMOTE else promotion_stack(before, after.live)[-2::-1]
    return next((name for name in below if name != after.live), None)


def _duels(person: Person, count: int) -> Iterator[str]:
    """Two daemons are started at the same moment, and the one that stays is killed; yields what was wrong."""
    for number in range(count):
        logs = [person.home.root / f"daemon-{number}-{who}.log" for who in "ab"]
        both = []
        for log in logs:
            with log.open("w") as output:
                both.append(Daemon(person.start(module="adapterd", output=output), log))
        wait_until("one of two has given up", lambda: any(each.process.poll() is not None for each in both))  # noqa: B023
        stays, goes = sorted(both, key=lambda each: each.process.poll() is not None)
        wait_until("the other one watches", lambda: "watching" in stays.said or stays.process.poll() is not None)  # noqa: B023
        if goes.process.returncode != BusyError.exit_code or "another adapterd works on" not in goes.said:
            yield f"the second daemon ended with {goes.process.returncode}: {goes.said}"
        if stays.process.poll() is not None:
            yield f"both daemons ended, the first with {stays.process.returncode}: {stays.said}"
        for each in both:
            each.process.kill()
            each.process.communicate()


def _refused_daemon(person: Person, first: Daemon) -> list[Done]:
    """One more daemon, after the race."""
    said = person.wait(person.start(module="adapterd"))
    if said.code == BusyError.exit_code and first.process.poll() is None:
        return [Done(REFUSED, is_checked=True)]
    return [Done(FAULT, faults=(f"a second daemon ended with {said}",))]


if __name__ == "__main__":
    alone(add_options, run)

"""How quickly a teacher is asked, and what kills cost: `python -m bench.teachers_speed`, key `speed`.

SmolLM2 in a real Ollama answers the same prompts, in a few tokens each, one at a time and several at once; rounds of
both take turns in one run, each on other prompts. Then the work is killed (kill -9) against a scripted teacher that
counts what it is asked (bench/teachers_kills.py). Results are kept in bench/teachers.json.
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapterd.base.modelfile import Modelfile
from adapterd.chat import ChatOptions, Message, Role
from adapterd.demo.environment import small_model
from adapterd.serving.ollama import OllamaRuntime
from adapterd.serving.runtimes import file_digest
from adapterd.serving.server import PrivateOllama
from adapterd.store import Store
from adapterd.teachers.clients.ollama import OllamaTeacher
from adapterd.teachers.clients.openai import OpenAITeacher
from adapterd.teachers.request import Kind, TeacherRequest
from adapterd.teachers.work import Planned, ask_all
from bench import results
from bench.ollama import ollama_binary
from bench.teachers_kills import counting_teacher, killed, planned

FILE = Path(__file__).parent / "teachers.json"
PARALLEL, TOKENS, TAG = 4, 8, "teacher:1"
SUBJECTS = ("harbour", "council", "weather", "football", "opera", "bridge", "market", "school")


def _plan(round_: int, pairs: int) -> list[Planned]:
    return [
        Planned(TeacherRequest(
            Kind.ANSWER,
            (Message(Role.USER, f"Say in one sentence what the {subject} of town {round_} and number {number} is."),),
            ChatOptions(num_ctx=512, num_predict=TOKENS),
        ))
        for number in range(pairs)
        for subject in [SUBJECTS[number % len(SUBJECTS)]]
    ]  # fmt: skip


async def _per_minute(host: str, store: Store, plan: Sequence[Planned], parallel: int) -> float:
    async with OllamaTeacher("smollm2", TAG, host) as teacher:
        began = time.monotonic()
        outcome = await ask_all(plan, teacher, store, "m", parallel=parallel)
        seconds = time.monotonic() - began
    if outcome.answered != len(plan):
        raise RuntimeError(f"only {outcome.answered} of {len(plan)} were answered: {outcome}")
    return 60 * len(plan) / seconds


def speed(rounds: int, pairs: int) -> dict[str, Any]:
    """Pairs per minute, medians over the rounds."""
    os.environ["OLLAMA_NUM_PARALLEL"] = str(PARALLEL)
    found: dict[int, list[float]] = {1: [], PARALLEL: []}
    with tempfile.TemporaryDirectory() as name, PrivateOllama(ollama_binary(), Path(name) / "ollama") as server:
        file = small_model()
        OllamaRuntime(server.host).create(TAG, file, file_digest(file), Modelfile())
        with Store(Path(name) / "state.db") as store:
            asyncio.run(_per_minute(server.host, store, _plan(-1, PARALLEL), PARALLEL))  # loads it
            for round_ in range(rounds):
                for place, parallel in enumerate((1, PARALLEL) if round_ % 2 else (PARALLEL, 1)):
                    plan = _plan(2 * round_ + place, pairs)
                    found[parallel].append(asyncio.run(_per_minute(server.host, store, plan, parallel)))
    one, several = (statistics.median(found[parallel]) for parallel in (1, PARALLEL))
    return {
        "pairs_per_minute": {"one_at_a_time": round(one), "parallel": round(several)}, "parallel": PARALLEL,
        "times": round(several / one, 2), "rounds": rounds, "pairs": pairs, "tokens": TOKENS, "cores": os.cpu_count(),
    }  # fmt: skip


def waiting(pairs: int, slowest_s: float) -> dict[str, Any]:
    """The same of a scripted teacher that only takes its time, as one far away does: chance gives 0 to `slowest_s`."""
    found: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name, counting_teacher(slowest_s) as (url, _):
        for parallel in (1, PARALLEL):
            with Store(Path(name) / f"{parallel}.db") as store:
                began = time.monotonic()
                asyncio.run(_ask(url, store, planned(pairs), parallel))
                found[parallel] = 60 * pairs / (time.monotonic() - began)
    one, several = found[1], found[PARALLEL]
    return {
        "pairs_per_minute": {"one_at_a_time": round(one), "parallel": round(several)},
        "times": round(several / one, 2), "pairs": pairs, "slowest_s": slowest_s,
    }  # fmt: skip


async def _ask(url: str, store: Store, plan: Sequence[Planned], parallel: int) -> None:
    async with OpenAITeacher("big", "big-1", url) as teacher:
        await ask_all(plan, teacher, store, "m", parallel=parallel)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and keep what was found."""
    parser = argparse.ArgumentParser(prog="python -m bench.teachers_speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="of both ways of asking (5)")
    parser.add_argument("--pairs", type=int, default=16, metavar="N", help="in each round (16)")
    parser.add_argument("--kills", type=int, default=30, metavar="N", help="how often the work is killed (30)")
    parser.add_argument("--part", choices=("speed", "waiting", "killed"), help="only this part; the others stay")
    parser.add_argument("--dry", action="store_true", help="only print what was found")
    given = parser.parse_args(arguments)
    found = results.read(FILE).get("speed", {})
    if given.part in (None, "waiting"):
        found["waiting"] = waiting(40, 0.5)
    if given.part in (None, "speed"):
        found |= speed(given.rounds, given.pairs)
    if given.part in (None, "killed"):
        found["killed"] = killed(given.kills, 100 * given.kills)
    print(json.dumps({"speed": found}, indent=2), flush=True)
    if not given.dry:
        results.write({"speed": found}, FILE)


if __name__ == "__main__":
    main()

"""A merge that is killed at any moment: no half file under the candidate's name, and the next merge is as any other."""

import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, pairwise
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest

from adapterd.merging.merge import MergeResult, merge
from adapterd.system.files import sha256_file
from tests.support.children import Processes, quick_children
from tests.support.tiny_adapter import SAMPLES, write_adapter
from tests.support.tiny_gguf import write_tiny_gguf

KILLS, AT_MOST = 30, 60
HANGS_S = 60.0
BEGINNING = "beginning"
PHASES = (BEGINNING, "GPTQ", "distilling", "measuring retention", "checking the file")
LEFT_OVER = {"candidate.partial", "candidate.lora"}
ALSO_LEFT_OVER = {"candidate.served", "candidate.merged", "candidate.first"}
"""Seldom caught."""
PADDING = "x" * (16 << 20)
"""So many bytes in the file's metadata that copying and checking them takes a while, too."""


@dataclass(frozen=True)
class Place:
    """A folder in which `base.gguf` and the adapter are merged, over and over."""

    folder: Path

    def merge(self, tell: Connection | None = None) -> MergeResult:
        """To the end, unless something happens; `tell` gets what is being done."""
        if tell:
            tell.send(BEGINNING)
        base, adapter, candidate = (self.folder / name for name in ("base.gguf", "adapter", "candidate.gguf"))

        def report(_: float, doing: str) -> None:
            if tell:
                tell.send(doing)

        return merge(base, adapter, candidate, examples=SAMPLES, steps=4, report=report)

    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()} - {"base.gguf", "adapter"}

    def digest(self, name: str) -> str:
        return f"sha256:{sha256_file(self.folder / name)}"


@dataclass(frozen=True)
class Life:
    """What a child did when (its phases, in seconds since it began), and how it ended."""

    began_s: dict[str, float]
    lasted_s: float
    exit_code: int | None

    @property
    def last(self) -> str:
        return list(self.began_s)[-1]

    def moments(self, random: np.random.Generator) -> Iterator[tuple[str, float]]:
        """A random moment in each of its phases, as seconds from when that began, again and again."""
        spans = pairwise([*self.began_s.values(), self.lasted_s])
        for phase, (start, end) in cycle(zip(self.began_s, spans, strict=True)):
            yield phase, random.uniform(0, end - start)


@pytest.fixture
def merge_place(tmp_path: Path) -> Place:
    base = write_tiny_gguf(tmp_path / "base.gguf", type_name="Q4_0", metadata={"general.description": PADDING})
    write_adapter(tmp_path / "adapter", base)
    return Place(tmp_path)


@pytest.fixture(scope="module")
def processes() -> Processes:
    return quick_children("adapterd.merging.merge", "mlx_lm.models.llama")


def merge_for(place: Place, processes: Processes, phase: str | None = None, seconds: float = 0.0) -> Life:
    """Merge in a child that is killed so many seconds after it began with a phase, if it is not done before."""
    said, tell = processes.Pipe(duplex=False)
    child = processes.Process(target=place.merge, args=(tell,))
    child.start()
    tell.close()
    began_s: dict[str, float] = {}
    began = time.monotonic()
    until = began + HANGS_S
    while said.poll(max(0.0, until - time.monotonic())):
        try:
            told = said.recv()
        except EOFError:
            break
        if told == phase and told not in began_s:
            until = time.monotonic() + seconds
        began_s.setdefault(told, time.monotonic() - began)
    else:
        child.kill()
    lasted_s = time.monotonic() - began
    child.join()
    said.close()
    return Life(began_s, lasted_s, child.exitcode)


def test_a_merge_killed_at_any_moment_leaves_no_half_candidate(merge_place: Place, processes: Processes) -> None:
    whole, base = merge_place.merge().digest, merge_place.digest("base.gguf")
    uninterrupted = [merge_for(merge_place, processes) for _ in range(2)][-1]  # the first one waits for imports
    assert (uninterrupted.exit_code, tuple(uninterrupted.began_s)) == (0, PHASES)
    assert merge_place.digest("candidate.gguf") == whole

    killed: Counter[str] = Counter()
    left: set[str] = set()
    for phase, seconds in uninterrupted.moments(np.random.default_rng(11)):
        life = merge_for(merge_place, processes, phase, seconds)
        assert life.exit_code in (0, -signal.SIGKILL)
        killed.update([life.last] if life.exit_code else [])
        left |= merge_place.files()
        assert merge_place.files() <= LEFT_OVER | ALSO_LEFT_OVER | {"candidate.gguf"}
        assert "candidate.gguf" not in merge_place.files() or merge_place.digest("candidate.gguf") == whole
        assert merge_place.merge().digest == whole
        assert merge_place.files() == {"candidate.gguf"}
        if killed.total() >= AT_MOST or (killed.total() >= KILLS and killed.keys() == set(PHASES)):
            break
    assert killed.keys() == set(PHASES)
    assert left >= LEFT_OVER
    assert merge_place.digest("base.gguf") == base

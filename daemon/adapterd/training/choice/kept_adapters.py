"""The adapters that a training keeps to choose among: the best ones by validation loss, and the latest."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from adapterd.formats.adapter_files import WEIGHTS

FOLDER = "kept"
BEST = 2
"""So many are kept by their loss, besides the latest: a loss that rises again may go with answers that get better."""


@dataclass(frozen=True)
class KeptAdapters:
    """Those in the folder of a training, each in a folder of its own by the step that it is of."""

    out: Path

    def folder(self, step: int) -> Path:
        """Where the adapter of that step is, or goes."""
        return self.out / FOLDER / str(step)

    def room_for(self, step: int) -> Path:
        """An empty folder for the adapter of that step."""
        folder = self.folder(step)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def steps(self) -> list[int]:
        """The steps of those that are there."""
        return sorted(int(file.parent.name) for file in self.out.glob(f"{FOLDER}/*/{WEIGHTS}"))

    def keep_only(self, losses: Mapping[int, float]) -> None:
        """Remove all but the best and the latest, given the losses of all steps so far."""
        left = {*sorted(losses, key=lambda step: losses[step])[:BEST], max(losses, default=0)}
        for step in self.steps():
            if step not in left:
                shutil.rmtree(self.folder(step), ignore_errors=True)

    def clear(self) -> None:
        """Remove them all."""
        shutil.rmtree(self.out / FOLDER, ignore_errors=True)

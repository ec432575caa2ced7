"""Where everything lives on disk. One environment variable, `ADAPTERD_HOME`, moves all of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import ConfigError

HOME_VARIABLE = "ADAPTERD_HOME"
PRIVATE_UMASK = 0o077
"""What our processes make, libraries of others included, is for its owner only."""


@dataclass(frozen=True)
class Home:
    """The folders and files of one installation; nothing is created until `create` is called."""

    root: Path

    @classmethod
    def locate(cls) -> "Home":
        """The home that the environment names, else the platform's own place for application data."""
        given = os.environ.get(HOME_VARIABLE)
        if given:
            return cls(Path(given).expanduser().absolute())
        import platformdirs

        return cls(platformdirs.user_data_path("adapterd"))

    @property
    def config_file(self) -> Path:
        return self.root / "config.toml"

    @property
    def config_lock(self) -> Path:
        return self.root / "config.lock"

    @property
    def database(self) -> Path:
        return self.root / "state.db"

    @property
    def quarantine(self) -> Path:
        return self.root / "quarantine"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def daemon_lock(self) -> Path:
        return self.root / "daemon.lock"

    @property
    def run_lock(self) -> Path:
        return self.root / "run.lock"

    @property
    def tags_lock(self) -> Path:
        return self.root / "tags.lock"

    @property
    def embedded_store(self) -> Path:
        return self.root / "embedded"

    @property
    def answers(self) -> Path:
        return self.root / "cache" / "answers"

    @property
    def states(self) -> Path:
        return self.root / "cache" / "states"

    def inbox(self, model: str) -> Path:
        """The feedback folder of a model whose configuration names none."""
        return self.root / "feedback" / model

    def run(self, run_id: str) -> Path:
        return self.root / "runs" / run_id

    def base_proof(self, model: str) -> Path:
        """What the model's base was proven with."""
        return self.root / "models" / model / "base-proof.json"

    def version(self, model: str, version: str) -> Path:
        return self.root / "models" / model / version

    def create(self) -> None:
        """Create the home, readable by its owner only; raises ConfigError where that is impossible."""
        try:
            for folder in (self.root, self.quarantine, self.logs, self.root / "runs", self.root / "models"):
                make_private(folder)
        except OSError as exc:
            raise ConfigError(
                f"{self.root} cannot be created: {exc.strerror}", hint=f"set {HOME_VARIABLE} to a folder of yours"
            ) from exc


def make_private(folder: Path) -> Path:
    """Create the folder and its parents if missing, 0700; a folder that is already there keeps its mode."""
    if not folder.is_dir():
        make_private(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder

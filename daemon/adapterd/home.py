"""Where everything lives on disk. One environment variable, `ADAPTERD_HOME`, moves all of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from adapterd.errors import ConfigError

HOME_VARIABLE = "ADAPTERD_HOME"
PRIVATE_UMASK = 0o077
"""What our processes make, libraries of others included, is for its owner only."""


OWN_ENTRIES = (
    "config.toml", "config.lock", "config-edit-*.toml", "state.db*", "captures.db*", "removed.json", "daemon.lock",
    "daemon.json", "daemon.wakeup", "page.*", "run.lock", "tags.lock", "teach.lock", "judge.lock", "bin", "http-token*",
    "*.sock", "adapterd.sock*", ".*.partial", "quarantine", "logs", "embedded", "cache", "runs", "models", "feedback",
)  # fmt: skip
"""What adapterd makes at the top of a home; whatever else is there belongs to somebody else."""


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

    @classmethod
    def of_database(cls, database: Path) -> "Home":
        """The home that a database is in."""
        return cls(database.parent)

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
    def captures(self) -> Path:
        """The database of recorded conversations."""
        return self.root / "captures.db"

    @property
    def page(self) -> Path:
        """Written by the local page while it is served: where, and the key of its links."""
        return self.root / "page.json"

    @property
    def page_lock(self) -> Path:
        """Held by the local page's process while it serves."""
        return self.root / "page.lock"

    @property
    def page_link(self) -> Path:
        """A page for the browser that leads on to the local page, so that its link is in no list of processes."""
        return self.root / "page.html"

    @property
    def removed_statements(self) -> Path:
        """The hashes of what was taken back, as the database has them, too: they outlive a database that is lost."""
        return self.root / "removed.json"

    @property
    def socket(self) -> Path:
        """The Unix socket at which the daemon takes feedback; there while it runs."""
        return self.root / "adapterd.sock"

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
    def daemon_release(self) -> Path:
        """Written by the daemon when it starts: its release."""
        return self.root / "daemon.json"

    @property
    def wakeup(self) -> Path:
        """The FIFO by which commands wake the daemon."""
        return self.root / "daemon.wakeup"

    @property
    def run_lock(self) -> Path:
        return self.root / "run.lock"

    @property
    def tags_lock(self) -> Path:
        return self.root / "tags.lock"

    @property
    def teach_lock(self) -> Path:
        """Held while a teacher is asked, so that two processes do not pay for the same answers."""
        return self.root / "teach.lock"

    @property
    def judge_lock(self) -> Path:
        """Held while a judge is asked, so that two processes do not pay for the same verdicts."""
        return self.root / "judge.lock"

    @property
    def embedded_store(self) -> Path:
        return self.root / "embedded"

    @property
    def answers(self) -> Path:
        return self.root / "cache" / "answers"

    @property
    def states(self) -> Path:
        return self.root / "cache" / "states"

    def own_entries(self) -> list[Path]:
        """The files and folders at the top that adapterd made."""
        return sorted({path for pattern in OWN_ENTRIES for path in self.root.glob(pattern)})

    @property
    def verified_digests(self) -> Path:
        """What large files were found to be when they were last read to their end."""
        return self.root / "cache" / "digests.json"

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

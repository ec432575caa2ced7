"""A small file system of its own, which can be full: a tmpfs, for which one has to be allowed to mount."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TOP_UP_EVERY_S = 0.02
PAGE_BYTES = 4096


class SmallDisk:
    """A file system at `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / ".ballast"

    @contextmanager
    def full(self) -> Iterator[None]:
        """Without a free byte while the block lasts: whatever becomes free is taken at once."""
        enough = threading.Event()
        filler = threading.Thread(target=self._keep_full, args=(enough,), daemon=True)
        self._top_up()
        filler.start()
        try:
            yield
        finally:
            enough.set()
            filler.join()
            self._ballast.unlink(missing_ok=True)

    def _keep_full(self, enough: threading.Event) -> None:
        while not enough.wait(TOP_UP_EVERY_S):
            self._top_up()

    def _top_up(self) -> None:
        """Let the ballast take all there is; the last pages one by one, for others write meanwhile."""
        with suppress(OSError), self._ballast.open("ab") as file:
            while free := os.statvfs(self.folder).f_bavail * PAGE_BYTES:
                size = file.seek(0, os.SEEK_END)
                with suppress(OSError):
                    os.posix_fallocate(file.fileno(), size, free)
                    continue
                os.posix_fallocate(file.fileno(), size, PAGE_BYTES)


@contextmanager
def small_disk(folder: Path, size_mb: int) -> Iterator[SmallDisk]:
    """Mount one at a new folder, until the block ends; raises RuntimeError where that is not allowed."""
    folder.mkdir(parents=True)
    mounted = _run("mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=700", "torture", str(folder))
    if mounted.returncode:
        raise RuntimeError(
            f"no small disk can be mounted here: {mounted.stderr.strip()}; it can be by root, and by anyone within "
            "`unshare --map-root-user --mount make torture ARGS=disk_full`"
        )
    try:
        yield SmallDisk(folder)
    finally:
        if _run("umount", str(folder)).returncode:
            _run("umount", "--lazy", str(folder))


def _run(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, check=False)

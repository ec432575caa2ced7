"""The release on disk, that of this process, and that of the daemon."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from adapterd import __version__
from adapterd.errors import OtherReleaseError
from adapterd.home import Home
from adapterd.system.locks import exclusive
from adapterd.system.release import installed, running
from adapterd.system.release.installed import GONE_S, SETTLED_S, ReleaseWatch, release_on_disk, require_same_release
from adapterd.system.release.running import of_another_release, running_release, write_running_release


@dataclass
class Seconds:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


class Package:
    """The files of a release, as an installer writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "__init__.py"
        self.is_of(__version__)

    def is_of(self, version: str) -> None:
        written = self.folder / "new"
        written.write_text(f'"""adapterd."""\n\n__version__ = "{version}"\n', encoding="utf-8")
        written.replace(self.file)


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return Package(tmp_path)


@pytest.fixture
def ticking() -> Seconds:
    return Seconds()


@pytest.fixture
def release_watch(package: Package, ticking: Seconds) -> ReleaseWatch:
    return ReleaseWatch(package.folder, ticking)


def test_the_files_of_this_very_package_are_of_this_release() -> None:
    assert release_on_disk() == __version__
    require_same_release()


def test_the_same_release_is_no_other(release_watch: ReleaseWatch, package: Package, ticking: Seconds) -> None:
    assert not release_watch.differs()
    package.is_of(__version__)  # installed again
    ticking.now += 10 * GONE_S
    assert release_watch.replaced() is None


def test_another_release_is_told_once_its_files_have_settled(
    release_watch: ReleaseWatch, package: Package, ticking: Seconds
) -> None:
    package.is_of("9.0.0")
    assert release_watch.differs()
    assert release_watch.replaced() is None
    ticking.now += SETTLED_S
    assert release_watch.replaced() == f"adapterd 9.0.0 was installed while {__version__} runs"


def test_an_installer_that_removes_before_it_writes_is_waited_for(
    release_watch: ReleaseWatch, package: Package, ticking: Seconds
) -> None:
    package.file.unlink()
    assert release_watch.differs()
    ticking.now += GONE_S - 1
    assert release_watch.replaced() is None
    package.is_of(__version__)
    assert not release_watch.differs()
    package.file.unlink()
    assert release_watch.replaced() is None
    ticking.now += GONE_S
    assert "are gone from" in (release_watch.replaced() or "")


def test_a_file_that_is_half_written_is_of_no_release_yet(
    release_watch: ReleaseWatch, package: Package, ticking: Seconds
) -> None:
    package.file.write_text('"""adapterd."""\n__vers', encoding="utf-8")
    ticking.now += SETTLED_S
    assert release_watch.replaced() is None
    package.is_of("9.0.0")
    assert release_watch.replaced() is None
    ticking.now += SETTLED_S
    assert release_watch.replaced() is not None


def test_files_that_do_not_change_are_read_once(release_watch: ReleaseWatch, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[Path] = []

    def counted(package: Path) -> str | None:
        read.append(package)
        return release_on_disk(package)

    monkeypatch.setattr(installed, "release_on_disk", counted)
    for _ in range(100):
        assert not release_watch.differs()
    assert len(read) == 1


@pytest.mark.parametrize(("version", "said"), [("9.0.0", "adapterd 9.0.0 was installed"), (None, "are gone")])
def test_nothing_is_begun_with_files_of_another_release(package: Package, version: str | None, said: str) -> None:
    package.is_of(version) if version else package.file.unlink()
    with pytest.raises(OtherReleaseError, match=said):
        require_same_release(package.folder)


def test_the_daemon_tells_its_release(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    write_running_release(home)
    assert running_release(home) is None  # nobody holds the lock: it has ended
    with exclusive(home.daemon_lock, timeout_s=0, busy=""):
        assert running_release(home) == __version__
        assert of_another_release(home) is None
        monkeypatch.setattr(running, "__version__", "9.0.0")
        assert of_another_release(home) == f"the daemon is adapterd {__version__}, this is 9.0.0"


@pytest.mark.parametrize("text", [None, "", "[]", "{}", '{"adapterd": 1}', "\ud800"])
def test_a_daemon_that_does_not_tell_is_of_no_other_release(home: Home, text: str | None) -> None:
    if text is not None:
        home.daemon_release.write_bytes(text.encode(errors="surrogatepass"))
    with exclusive(home.daemon_lock, timeout_s=0, busy=""):
        assert of_another_release(home) is None

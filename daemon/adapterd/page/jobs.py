"""Work that takes longer than a request: one thread does it, and the page shows how far it is."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

from adapterd.errors import AdapterdError

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Progress:
    """How far some work is; once it `is_over`, `said` tells how it ended, and `result` is what came of it."""

    done: int = 0
    of: int = 0
    is_over: bool = False
    said: str = ""
    result: object = None


class Jobs:
    """Work by its kind and what it is about; one after the other is done, and none twice at a time."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="page-job")
        self._progress: dict[tuple[str, str], Progress] = {}
        self._lock = Lock()

    def start(self, kind: str, about: str, work: Callable[[Report], object]) -> None:
        """Have work done that reports how far it is, and returns its result, or what to say; without effect while it is
        being done. What is over of its kind is forgotten, unless other work of it goes on."""
        name = (kind, about)
        with self._lock:
            going = self._progress.get(name)
            if going and not going.is_over:
                return
            if all(each.is_over for each in self.of(kind)):
                self._progress = {other: each for other, each in self._progress.items() if other[0] != kind}
            self._progress[name] = Progress()
        self._thread.submit(self._do, name, work)

    def of(self, kind: str) -> list[Progress]:
        """How far all work of a kind is, in the order in which it began."""
        return [each for name, each in list(self._progress.items()) if name[0] == kind]

    def get(self, kind: str, about: str) -> Progress | None:
        """How far some work is, None where none of that name is known."""
        return self._progress.get((kind, about))

    @property
    def is_busy(self) -> bool:
        """Whether any work is being done."""
        return any(not each.is_over for each in list(self._progress.values()))

    def _do(self, name: tuple[str, str], work: Callable[[Report], object]) -> None:
        def report(done: int, of: int) -> None:
            self._progress[name] = replace(self._progress[name], done=done, of=of)

        result: object = None
        try:
            result = work(report)
            said = result if isinstance(result, str) else ""
        except AdapterdError as exc:
            said = f"{exc}; {exc.hint}" if exc.hint else str(exc)
        except Exception as exc:  # shown, as nobody waits for it
            said = f"it failed: {exc}"
        self._progress[name] = replace(self._progress[name], is_over=True, said=said, result=result)

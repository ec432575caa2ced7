"""The renderer's child, which ends at once where its template reaches anything outside."""

import os

from adapterd.serving.rendering.worker import main
from tests.torture.strangers import watch
from tests.torture.strangers.templates import OUTSIDE, QUICK

if __name__ == "__main__":
    watch.begin(None, lambda _: os._exit(OUTSIDE))
    main(QUICK)

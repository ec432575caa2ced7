"""The pass-through as a program."""

import sys


def main() -> None:
    """Relay until a signal. asyncio does without ssl where that cannot be had: 4 MB that loopback has no use for."""
    sys.modules["ssl"] = None  # type: ignore[assignment]
    from adapterd.capture.passthrough.program import run

    run()


if __name__ == "__main__":
    main()

"""A GGUF becomes a tag that applications can ask: blob upload or link, registration, copies, answers."""

import sys

# httpx imports its own command line where click and rich are installed, and with it 80 modules that nobody asked for:
# 5 MB of the daemon, and half of the time that importing it takes. Without it httpx goes on.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]

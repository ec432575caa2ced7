"""The local page: what the command line does, in a browser on this machine. A process of its own, which `adapterctl
open` starts and which ends when nobody has used it for a while."""

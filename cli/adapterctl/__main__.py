"""`python -m adapterctl` is the same as `adapterctl`."""

from adapterctl.main import main

main()

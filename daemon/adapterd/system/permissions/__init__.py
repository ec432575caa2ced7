"""Who may change what: a home that others could change is refused, as ssh does (StrictModes)."""

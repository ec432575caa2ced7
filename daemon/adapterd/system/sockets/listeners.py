"""Who listens on a port of this machine, as far as the system tells this user."""

from pathlib import Path

_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_LISTEN = "0A"


def who_listens(host: str, port: int) -> str:
    """The program and its user in a few words; empty if neither can be known.

    macOS tells it of the user's own programs, or to root. Linux tells every user's name, and the program of one's own.
    """
    return _program(host, port) or _user(port)


def _program(host: str, port: int) -> str:
    import psutil

    ends = [(each, port) for each in (host, "0.0.0.0", "::")]  # noqa: S104 - looked for, not listened on
    try:
        found = next(
            each.pid
            for each in psutil.net_connections("tcp")
            if each.status == psutil.CONN_LISTEN and each.pid and each.laddr[:2] in ends
        )
        process = psutil.Process(found)
        return f"{process.name()}, process {found} of user {process.username()}"
    except (StopIteration, psutil.Error, OSError, RuntimeError):
        return ""


def _user(port: int) -> str:
    """Of whom the listening socket is, by Linux's tables (proc(5))."""
    for table in _TABLES:
        try:
            lines = table.read_text().splitlines()[1:]
        except OSError:
            continue
        for columns in map(str.split, lines):
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                return f"a program of user {_name(int(columns[7]))}"
    return ""


def _name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)

"""Every command takes the home from where it is looked at first: who else may change it."""

from pathlib import Path

import pytest

from adapterctl import commands

COMMANDS = Path(commands.__file__).parent


@pytest.mark.parametrize("module", sorted(COMMANDS.rglob("*.py")), ids=lambda path: str(path.relative_to(COMMANDS)))
def test_a_command_locates_no_home_by_itself(module: Path) -> None:
    """But `doctor`, which tells of a home that is refused."""
    found = module.read_text(encoding="utf-8").count("Home.locate(")
    assert found == (1 if module.name == "status.py" else 0), "use App() or own_home() of adapterctl.app"

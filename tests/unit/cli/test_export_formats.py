"""The command line names the formats of an export without loading what writes them."""

from adapterctl.commands.data.export import FORMS
from adapterd.deployment.export_version import ExportFormat


def test_each_format_can_be_asked_for() -> None:
    assert tuple(map(str, ExportFormat)) == FORMS

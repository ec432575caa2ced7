"""Write the tables of docs/configuration.md from the schema; `--check` only tells whether they are up to date."""

import re
import sys
from pathlib import Path

from adapterd.config.keys import write_value
from adapterd.config.reference import Setting, all_settings
from generated_page import write

PAGE = Path(__file__).parent.parent / "docs" / "configuration.md"
TABLE = re.compile(r"(<!-- settings: (.+?) -->\n).*?(<!-- end -->)", re.DOTALL)
MODEL = "models.NAME."


def page(text: str) -> str:
    """The page with its tables written anew; all else stays."""
    return TABLE.sub(lambda found: found[1] + _table(found[2]) + found[3], text)


def _table(section: str) -> str:
    """One row for each setting: those of all models, or those of one."""
    wanted = [each for each in all_settings() if each.key.startswith(MODEL) is (section == "model")]
    return "| key | type | default | meaning |\n|---|---|---|---|\n" + "".join(map(_row, wanted))


def _row(setting: Setting) -> str:
    doc = setting.doc
    default = "required" if setting.required else doc.unset or f"`{write_value(setting.default)}`"
    more = f" ([{doc.page}]({doc.page}))" if doc.page else ""
    return f"| `{setting.key.removeprefix(MODEL)}` | {setting.kind} | {default} | {doc.sentence}{more} |\n"


if __name__ == "__main__":
    sys.exit(write(PAGE, page))

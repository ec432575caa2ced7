"""`lineage.json`: what a version is made of. Written when it is registered, read by `show` and the report."""

from adapterd.formats.json_files import JsonFile

LINEAGE = JsonFile(
    "lineage.json",
    required=("adapterd", "libraries", "run", "base", "gguf_digest", "settings", "stages"),
    optional=("given",),
)
"""`given` is the source of an adapter that was registered, None for one that was trained here. It was added later."""

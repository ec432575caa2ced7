"""A GGUF split into parts, as llama-gguf-split does it: metadata in the first part, some of the tensors in each."""

from pathlib import Path
from typing import Any

import gguf


def in_parts(
    path: Path, count: int = 2, *, empty_first: bool = False, repeated: bool = False, claimed: int | None = None
) -> list[Path]:
    """The parts, beside the file. With `repeated` the last one has the first tensor, too; the number of tensors that
    they say there are is `claimed`."""
    reader = gguf.GGUFReader(path)
    tensors, filled = list(reader.tensors), count - empty_first
    shares = [[]] * empty_first + [
        tensors[len(tensors) * n // filled : len(tensors) * (n + 1) // filled] for n in range(filled)
    ]
    if repeated:
        shares[-1] = [*shares[-1], tensors[0]]
    parts = []
    for number, share in enumerate(shares):
        parts.append(path.with_name(f"{path.stem}-{number + 1:05d}-of-{count:05d}.gguf"))
        writer = gguf.GGUFWriter(parts[-1], "llama")
        if number == 0:
            copy_metadata(reader, writer, {})
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", claimed or sum(map(len, shares)))
        copy_tensors(share, writer)
    return parts


def copy_metadata(reader: Any, writer: Any, changed: dict[str, Any]) -> None:
    """All keys, some of them with other values."""
    for field in reader.fields.values():
        if not field.name.startswith("GGUF.") and field.name != "general.architecture":
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(field.name, changed.get(field.name, field.contents()), field.types[0], inner)


def copy_tensors(tensors: Any, writer: Any) -> None:
    """These tensors, and the end of the file."""
    for tensor in tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

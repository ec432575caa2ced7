"""What cattrs found wrong, in sentences that begin with the dotted path of a setting."""


def describe_faults(error: BaseException, path: str = "") -> list[str]:
    """One sentence per fault in a cattrs error, each beginning with the dotted path of the value."""
    from cattrs.errors import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

    if isinstance(error, ClassValidationError):
        pairs, rest = error.group_exceptions()
        faults = [line for exc, note in pairs for line in describe_faults(exc, _join(path, note.name))]
        return faults + [line for exc in rest for line in describe_faults(exc, path)]
    if isinstance(error, IterableValidationError):
        items, rest = error.group_exceptions()
        faults = [line for exc, item in items for line in describe_faults(exc, _join(path, str(item.index)))]
        return faults + [line for exc in rest for line in describe_faults(exc, path)]
    if isinstance(error, ForbiddenExtraKeysError):
        return [f"{_join(path, key)}: no such setting" for key in sorted(error.extra_fields)]
    if isinstance(error, KeyError):
        return [f"{path}: is missing"]
    if isinstance(error, ValueError):
        return [f"{path}: {error}"]
    return [f"{path or 'the file'}: must be a table"]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

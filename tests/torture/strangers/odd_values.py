"""Values that are odd in any file: too large, too deep, of another kind, names of other places."""

from random import Random
from typing import Any

NUMBERS = (
    0,
    -1,
    1,
    2,
    255,
    65_536,
    1 << 31,
    (1 << 31) - 1,
    1 << 32,
    1 << 53,
    1 << 62,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    0.5,
    -0.0,
    1e308,
    1e-308,
)
NAMES = (
    "../outside/canary",
    "/etc/passwd",
    "..",
    ".",
    "",
    "a/b",
    "a\\b",
    "\x1b[2J",
    "\u202e",
    "x" * 300,
    "%s%n",
    "model.layers.0.self_attn.q_proj",
    "model.layers.999999999999.mlp.up_proj",
    "lm_head",
    "${HOME}",
)


def odd(random: Random, canary: str) -> Any:
    """Any JSON value but what is expected."""
    deep: Any = 1
    for _ in range(random.choice((3, 100, 300))):
        deep = [deep] if random.random() < 0.5 else {"a": deep}
    return random.choice(
        (
            None,
            True,
            False,
            [],
            {},
            "",
            deep,
            random.choice(NUMBERS),
            random.choice(NAMES),
            canary,
            [canary],
            [random.choice(NUMBERS)] * random.choice((1, 3, 5_000)),
            {random.choice(NAMES): random.choice(NUMBERS)},
        )
    )


def mutated(random: Random, data: bytes, *, within: int) -> bytes:
    """The bytes with a few of the first `within` changed, cut, doubled or filled."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        at = random.randrange(min(within, len(changed)) or 1)
        kind = random.randrange(6)
        if kind == 0:
            changed[at : at + 1] = bytes([random.randrange(256)])
        elif kind == 1:
            size = random.choice((2, 4, 8))
            changed[at : at + size] = random.choice(NUMBERS[:14]).to_bytes(16, "little", signed=True)[:size]
        elif kind == 2:
            del changed[at : at + random.choice((1, 8, 100))]
        elif kind == 3:
            changed[at:at] = random.randbytes(random.choice((1, 8, 100)))
        elif kind == 4:
            changed[at:at] = changed[at : at + random.choice((8, 64, 500))]
        else:
            del changed[at:]
    return bytes(changed)

"""What a chat template may take. Published ones render a long conversation in milliseconds and in a few megabytes."""

from adapterd.system.child.limited import Limits

LIMITS = Limits(cpu_s=2.0, wall_s=60.0, memory_bytes=384 << 20, answer_bytes=32 << 20)
"""For one prompt; of the answer as JSON."""
MOST_TEMPLATE = 1 << 20
"""Characters of a template; the largest published ones have some 20,000."""
MOST_FAULT = 300
"""Characters of what is told of a fault."""

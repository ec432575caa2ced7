"""adapterd: daily feedback into a better local model, proven before it is promoted."""

__version__ = "0.1.0"

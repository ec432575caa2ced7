"""Adapters of tiny models are distilled into real files, and measured by llama.cpp."""

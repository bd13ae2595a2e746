"""Make a language model forget, keep the rest, and show the evidence."""

__version__ = "0.1.0"

"""Which weights may move."""

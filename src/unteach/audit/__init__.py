"""Can it still be got out, and what else broke."""

"""The only room that reduces a loss, accumulates and steps."""

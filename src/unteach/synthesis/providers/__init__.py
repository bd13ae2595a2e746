"""Who writes the text of a synthesis: a model on this machine, or a service."""

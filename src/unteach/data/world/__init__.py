"""The embedded world: fictitious people who can be taught and left out at will."""

"""Hostile input of every kind: each case is accepted or refused in a sentence."""

"""How the gradients of several terms become one step."""

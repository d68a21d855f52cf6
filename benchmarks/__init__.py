"""Measurements of the whole command, each a file that opens with the question it answers."""

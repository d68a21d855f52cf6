"""The scripts that people write, each a program of its own: ``python -m benchmarks.peering.clients.NAME URL IDS``."""

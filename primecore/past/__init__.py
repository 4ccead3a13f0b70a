"""The past: what the store held at a position or a time, what changed between two, and which event said so."""

"""The command line, installed as `primecore.cli`. Knows the service through `primecore.open`, nothing below it."""

"""What `prime bench` runs: workloads, baselines, sections and verdicts. Uses the public API, knows no face."""

"""What `benchmarks.tracer` compares, each in an environment of its own."""

"""One file for each question that the benchmark answers: a `Bench` in, its `Finding` out."""

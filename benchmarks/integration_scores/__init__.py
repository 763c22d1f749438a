"""How well batches are mixed in an embedding, and how much biology is left: scores of encoders, for benchmarks only."""

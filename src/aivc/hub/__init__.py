"""The hub: instruments, virtual cells, cards and benchmarks that others can find, fetch and check."""

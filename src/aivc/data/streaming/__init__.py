"""Many cells, little memory: blocks, shards and normalization."""

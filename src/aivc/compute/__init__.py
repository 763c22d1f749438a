"""Work cut into shards, done by one process, several, or a cluster: the same results, and no shard done twice."""

"""The service: one process that answers a page and programs about virtual cells, datasets, jobs and the hub."""

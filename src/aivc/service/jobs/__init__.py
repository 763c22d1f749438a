"""Long work that survives crashes: a row of the database is the truth, and each job is a process of its own."""

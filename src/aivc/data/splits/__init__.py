"""Who may see what: folds, roles and fingerprints of rows."""

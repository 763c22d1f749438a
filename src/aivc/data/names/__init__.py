"""What genes and compounds are called, in one species and between species."""

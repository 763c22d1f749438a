"""Representations of genes, transcripts, proteins, regulatory DNA and compounds."""

"""Why: what a prediction is made of, down to perturbations, knowledge, genes and pathways."""

"""The frozen tasks of tissue, one module for those of a kind; `tissue.py` runs them."""

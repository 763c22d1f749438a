"""The measured world: read, checked, named, split and summarized."""

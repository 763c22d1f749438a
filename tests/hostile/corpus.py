"""Every hostile input and fault there is."""

from hostile import links, texts

CASES = [*links.CASES, *texts.CASES]

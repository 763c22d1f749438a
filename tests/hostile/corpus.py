"""Every hostile input and fault there is."""

from hostile import faults, links, numbers, shown, texts

CASES = [*links.CASES, *texts.CASES, *numbers.CASES, *faults.CASES, *shown.CASES]

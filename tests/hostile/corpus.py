"""Every hostile input and fault there is."""

from hostile import checkpoints, faults, links, numbers, shown, texts

CASES = [*links.CASES, *texts.CASES, *numbers.CASES, *checkpoints.CASES, *faults.CASES, *shown.CASES]

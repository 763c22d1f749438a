"""What came out, on one page that a biologist reads at a glance."""

from aivc.reporting.html import Cell, Figure, Section, Table, write_report
from aivc.reporting.reading import spoken_split
from aivc.reporting.sections import evaluation_sections

__all__ = ["Cell", "Figure", "Section", "Table", "evaluation_sections", "spoken_split", "write_report"]

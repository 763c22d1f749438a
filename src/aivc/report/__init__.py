"""What came out, on one page that a biologist reads at a glance."""

from aivc.report.html import Cell, Figure, Section, Table, evaluation_sections, write_report

__all__ = ["Cell", "Figure", "Section", "Table", "evaluation_sections", "write_report"]

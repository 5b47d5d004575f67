"""A report of compared runs: one HTML page, or Markdown, with figures and numbers as files."""

from smoothlab.reports.page.writing import write_markdown, write_page

__all__ = ["write_markdown", "write_page"]

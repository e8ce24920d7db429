"""From stored records to tables, figures and a page: no torch, the same bytes every time.

It reads records and counts; it trains, encodes and searches nothing.
"""

from hashquant.report._writing import EmptyReportError, Report, write_report
from hashquant.report.cards.cited import cited
from hashquant.report.options import Options
from hashquant.report.tables.terminal import terminal_table

__all__ = [
    "EmptyReportError",
    "Options",
    "Report",
    "across",
    "blocks",
    "bundle",
    "cited",
    "drawing",
    "figures",
    "findings",
    "parts",
    "terminal_table",
    "trace",
    "write_report",
]

# SPDX-License-Identifier: Apache-2.0
"""A table of parts that a small business fills in: CSV text and Excel workbooks.

Keeps: one set of headings (English and Japanese) and one reading serve both forms.
"""

from __future__ import annotations

from kizuna.proof.documents.table.csvtext import CSV
from kizuna.proof.documents.table.headings import csv_template
from kizuna.proof.documents.table.workbook import XLSX, xlsx_template

__all__ = ["CSV", "XLSX", "csv_template", "xlsx_template"]

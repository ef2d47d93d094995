# SPDX-License-Identifier: Apache-2.0
"""Importers: a document of the field goes in, statements to be signed come out.

Keeps: 1. A format is told by content; the file's name only helps to say what went wrong. 2. Any
input ends in an ``Imported`` or in a ``Problem``, within bounds of size, depth and count. 3. A
document with something unknown in it is imported, and what was not understood is listed.
4. Nothing is signed, stored, fetched or timed here: bytes in, values out.

Example:
    >>> bom = b'{"bomFormat": "CycloneDX", "specVersion": "1.6", "metadata": {"component":'
    >>> bom += b' {"type": "device", "name": "Fan", "purl": "pkg:x/fan@1"}}}'
    >>> read(bom, "fan.json").root
    'pkg:x/fan@1'
"""

from __future__ import annotations

from kizuna.proof.documents.recognition import IMPORTERS, read, read_all, recognise
from kizuna.proof.documents.renewal import left_over
from kizuna.proof.documents.table import csv_template, xlsx_template
from kizuna.proof.documents.values import (
    Draft,
    Imported,
    Importer,
    InnerSignature,
    Remark,
    Settled,
    SignatureResult,
)

__all__ = [
    "IMPORTERS",
    "Draft",
    "Imported",
    "Importer",
    "InnerSignature",
    "Remark",
    "Settled",
    "SignatureResult",
    "csv_template",
    "left_over",
    "read",
    "read_all",
    "recognise",
    "xlsx_template",
]

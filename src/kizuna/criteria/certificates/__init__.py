# SPDX-License-Identifier: Apache-2.0
"""Types of certificate of today, as data: who issues them, at what level, for how long.

Keeps: 1. One file a type, read from the folder: adding a type touches that one file. 2. A type
decides nothing: what counts is said by profiles and lists. It warns whoever signs or imports a
certificate that is unlike its kind. 3. Every file says where it comes from and how sure that is.
"""

from __future__ import annotations

from kizuna.criteria.certificates.reader import (
    CertificateType,
    Field,
    Sure,
    read_type,
    shipped_types,
    type_of,
)
from kizuna.criteria.certificates.warning import Warned, warnings_of

__all__ = [
    "CertificateType",
    "Field",
    "Sure",
    "Warned",
    "read_type",
    "shipped_types",
    "type_of",
    "warnings_of",
]

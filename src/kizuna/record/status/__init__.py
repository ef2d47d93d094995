# SPDX-License-Identifier: Apache-2.0
"""Status lists: one small signed file that says of a million things whether they still stand.

Keeps: a status list is a way out of the store and into it, never a second place where standing is
decided: what is published follows from registered statements, what is read becomes one.
"""

from kizuna.record.status.bits import Bits, Meaning
from kizuna.record.status.bitstring import BitstringList, read_bitstring, write_bitstring
from kizuna.record.status.cache import Cache, Cached
from kizuna.record.status.token import (
    Reference,
    StatusList,
    read_status_list,
    reference_in,
    write_status_list,
)

__all__ = [
    "Bits",
    "BitstringList",
    "Cache",
    "Cached",
    "Meaning",
    "Reference",
    "StatusList",
    "read_bitstring",
    "read_status_list",
    "reference_in",
    "write_bitstring",
    "write_status_list",
]

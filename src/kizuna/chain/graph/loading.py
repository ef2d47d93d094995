# SPDX-License-Identifier: Apache-2.0
"""Loading very many statements at once.

Keeps: while millions of values are made that stay, nobody looks for rings among them again and
again; that alone would take half of the time.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Iterator[None]:
    """Leave rings alone while the block runs, where they are looked for at all."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()

# SPDX-License-Identifier: Apache-2.0
"""Evidence that a log misbehaved: signed notes, kept for good under the hash of what they say.

Keeps: what was seen is on disk before anybody is told, and is never overwritten.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from kizuna.record.log.disk import not_written, replace_durably

__all__ = ["keep_evidence"]


def keep_evidence(folder: Path, *notes: bytes) -> Path:
    """Keep notes that contradict each other, side by side; returns the first file.

    Raises:
        Unavailable: ``log.not-written``.
    """
    name = sha256(b"".join(notes)).hexdigest()[:16]
    first = folder / f"{name}-0"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise not_written(folder, fault) from fault
    for number, note in enumerate(notes):
        path = folder / f"{name}-{number}"
        if not path.exists():
            replace_durably(path, note)
    return first

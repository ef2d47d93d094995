# SPDX-License-Identifier: Apache-2.0
"""The log of this process, where nobody set up one: on the terminal, fit to be read there.

Keeps: what a store or a device elsewhere said reaches a line of the log as text that is seen; it
neither moves the cursor nor begins a line of its own that would pass for ours.
"""

from __future__ import annotations

import logging

from kizuna.app.wiring.messages.plain import plain

__all__ = ["plain_log"]


class _Plain(logging.Formatter):
    """A record in one line; what follows of an exception in lines that are plain too."""

    def format(self, record: logging.LogRecord) -> str:
        lines = [plain(record.getMessage())]
        if record.exc_info:
            lines += map(plain, self.formatException(record.exc_info).split("\n"))
        return "\n".join(lines)


def plain_log() -> None:
    """Write what no handler takes in plain lines."""
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Plain())

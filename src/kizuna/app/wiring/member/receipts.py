# SPDX-License-Identifier: Apache-2.0
"""The receipts of a member: checked when they arrive, and kept.

A store that says "registered" may lie; its receipt, signed over the log's root, is what binds it.

Keeps: 1. A receipt is kept where it holds under the log keys that the member believes, beside the
statement that it is of: a file that ``kizuna log check`` reads. 2. One that is missing or does not
hold is a problem that is told after everything was sent: what was sent stays sent.
"""

from __future__ import annotations

from pathlib import Path

from kizuna.app.wiring.proofs import receipt_holds
from kizuna.model.errors import Problem, Tampered
from kizuna.model.identifier import Digest
from kizuna.model.trust import Anchors

__all__ = ["Receipts"]


class Receipts:
    """A folder of transparent statements, one file each, named by the statement's digest."""

    def __init__(self, folder: Path, anchors: Anchors) -> None:
        self.folder = folder
        self.kept = 0
        self.problem: Problem | None = None
        """The first that was wrong."""
        self._anchors = anchors

    def take(self, statement: bytes, digest: Digest, receipt: bytes | None) -> None:
        """Check the receipt of a statement that the store says is registered, and keep it."""
        from kizuna.roots.cose import parse_sign1, with_receipts

        try:
            if receipt is None:
                raise Tampered(
                    "request.no-receipt",
                    "the store says that a statement is registered, and gives no receipt",
                    why="without a receipt nothing binds the store to what it says",
                    hint="publish the same again; if it lasts, ask the operator of the store",
                    digest=digest.hex(),
                )
            receipt_holds(receipt, digest, self._anchors)
        except Problem as problem:
            self.problem = self.problem or problem
            return
        if parse_sign1(statement).digest != digest:
            return  # said before under another signature: that one has its receipt
        self.folder.mkdir(mode=0o700, exist_ok=True)
        (self.folder / f"{digest.hex()}.cose").write_bytes(with_receipts(statement, [receipt]))
        self.kept += 1

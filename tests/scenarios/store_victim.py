# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401
"""A process that registers statements until it is killed, or dies at a step it was told.

Prints one line for each statement that it got a receipt for: index, digest, size and root.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from tests.unit.record.store.building import Organisation, Place

from kizuna.record.log import EvidenceLog, VerifiableMap
from kizuna.record.store import Accepted
from kizuna.record.store.archive import Archive
from kizuna.record.store.sqlite import _SqliteWriting

STEPS: dict[str, tuple[Any, str]] = {
    "archive-write": (Archive, "write"),
    "archive-sync": (Archive, "sync"),
    "rows": (_SqliteWriting, "add_statements"),
    "heads": (_SqliteWriting, "put_buckets"),
    "batch": (_SqliteWriting, "add_batch"),
    "map": (VerifiableMap, "commit"),
    "map-write": (VerifiableMap, "_set_head"),
    "tiles": (EvidenceLog, "append"),
    "publish": (EvidenceLog, "publish"),
}
"""Where to die: a function of the way to a receipt."""


def die() -> NoReturn:
    os._exit(9)


def dying(function: Callable[..., Any], *, after: bool) -> Callable[..., Any]:
    def wrapped(*arguments: Any, **options: Any) -> Any:
        if after:
            function(*arguments, **options)
        die()

    return wrapped


def main() -> None:
    folder, start, step = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    place, maker = Place(folder), Organisation(b"maker")
    store = place.open()
    for batch in range(start, start + 1000):
        if step != "none" and batch == start + 2:
            name, when = step.rsplit(":", 1)
            owner, attribute = STEPS[name]
            setattr(owner, attribute, dying(getattr(owner, attribute), after=when == "after"))
        outcomes = store.submit([maker.claim(20 * batch + number) for number in range(20)])
        receipts = store.receipts([o.digest for o in outcomes if isinstance(o, Accepted)])
        head = store.head()
        for outcome, receipt in zip(outcomes, receipts, strict=True):
            assert isinstance(outcome, Accepted)
            print(  # noqa: T201 - what it promised is its output
                outcome.index, outcome.digest.hex(), head.size, head.root, receipt.hex(), flush=True
            )


if __name__ == "__main__":
    main()

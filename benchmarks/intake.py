# SPDX-License-Identifier: Apache-2.0
"""Intake: from bytes to durable statements with receipts, beside the bare rate of checking them.

``ratio`` is the rate over that of checking the same signatures on two threads and doing nothing
else, measured before and after in the same run. Map, index and receipts are included.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, encode_payload
from kizuna.record.log import EvidenceLog, Signer
from kizuna.record.store import Accepted, OperatorKey, RegistrationPolicy, Store, StoreSettings
from kizuna.record.store.backend import Backend
from kizuna.record.store.sqlite import SqliteBackend
from kizuna.roots.cose import parse_sign1, sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm, Check, verify_many
from kizuna.roots.units import EphemeralUnit

NOW = 1_800_000_000
ORIGIN = "bench.example/log"
ISSUERS = 200
STATEMENTS = 40_000
ROUNDS = 3


class Issuers:
    """Many organisations, each with a key in memory."""

    def __init__(self, count: int) -> None:
        self.unit = EphemeralUnit(b"bench")
        self.handles = [self.unit.generate(Algorithm.ES256, str(number)) for number in range(count)]
        self.names = [did_key(self.unit.public(handle)) for handle in self.handles]
        self.keys = {
            name: self.unit.public(handle)
            for name, handle in zip(self.names, self.handles, strict=True)
        }

    def sign(self, issuer: int, kind: Kind, subject: str, payload: bytes, now: int = NOW) -> bytes:
        """One signed statement."""
        return sign_statement(
            self.unit,
            self.handles[issuer],
            issuer=self.names[issuer],
            subject=subject,
            media_type=media_type_of(kind),
            payload=payload,
            issued_at=now,
        )

    def statements(self, first: int, count: int) -> list[bytes]:
        """Certificates of distinct components."""
        return [
            self.sign(
                number % len(self.handles),
                Kind.CERTIFICATE,
                f"pkg:generic/maker-{number % 997}/part-{number}@1.{number % 13}",
                encode_payload(
                    Claim(type="iso-9001", claims={"number": f"C-{number}", "audits": number % 7})
                ),
            )
            for number in range(first, first + count)
        ]


def open_store(folder: Path, issuers: Issuers, backend: Backend) -> Store:
    unit = EphemeralUnit(b"bench log")
    signer = Signer(ORIGIN, unit, unit.generate(Algorithm.EDDSA, "log"))
    log = EvidenceLog.create(folder / "log", ORIGIN, signer, NOW)
    settings = StoreSettings(
        operator=OperatorKey(
            issuers.names[0],
            lambda kind, subject, payload, now: issuers.sign(0, kind, subject, payload, now),
        ),
        list_id=f"https://{ORIGIN}/members",  # type: ignore[arg-type]
        policy=RegistrationPolicy.OPEN,
    )
    return Store.create(folder / "log", backend, log, settings, lambda: NOW)


def bare_rate(checks: Sequence[Check]) -> float:
    started = time.perf_counter()
    assert all(verify_many(checks, 2))
    return len(checks) / (time.perf_counter() - started)


def measure(
    name: str, issuers: Issuers, count: int, make_backend: Callable[[Path], Backend]
) -> list[dict[str, Any]]:
    """One store, filled in rounds; the first round warms keys and helpers up."""
    folder = Path(tempfile.mkdtemp(prefix="kizuna-bench-"))
    rates: list[float] = []
    ratios: list[float] = []
    receipt_rates: list[float] = []
    try:
        with open_store(folder, issuers, make_backend(folder)) as store:
            store.submit(issuers.statements(10_000_000, 8192))
            for round_ in range(ROUNDS):
                statements = issuers.statements(round_ * count, count)
                checks = [
                    (issuers.keys[e.issuer], e.signature, e.to_be_signed)
                    for e in map(parse_sign1, statements[: min(count, 8192)])
                ]
                before = bare_rate(checks)
                started = time.perf_counter()
                outcomes = store.submit(statements)
                registered = time.perf_counter()
                receipts = store.receipts([o.digest for o in outcomes if isinstance(o, Accepted)])
                ended = time.perf_counter()
                after = bare_rate(checks)
                assert len(receipts) == count
                rates.append(count / (ended - started))
                ratios.append(rates[-1] / ((before + after) / 2))
                receipt_rates.append(count / (ended - registered))
            size = store.head().size
            started = time.perf_counter()
            read = sum(len(page) for page in store.reader().all())
            reading = read / (time.perf_counter() - started)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return [
        row(f"{name}: registered with receipts", rates, ratios, f"store of {size}"),
        row(f"{name}: receipts alone", receipt_rates, [], ""),
        row(f"{name}: read for judgement", [reading], [], f"{read} statements"),
    ]


def row(what: str, rates: Sequence[float], ratios: Sequence[float], remark: str) -> dict[str, Any]:
    return {
        "what": what,
        "per second": round(statistics.median(rates)),
        "spread": f"{min(rates):.0f}-{max(rates):.0f}",
        "ratio": f"{statistics.median(ratios):.2f}" if ratios else "",
        "remark": remark,
    }


def run(scale: float = 1.0) -> list[dict[str, Any]]:
    """Rows for SQLite and, where the development wheel is there, PostgreSQL with fsync on."""
    issuers = Issuers(ISSUERS)
    count = max(1000, int(STATEMENTS * scale))
    checks = [
        (issuers.keys[e.issuer], e.signature, e.to_be_signed)
        for e in map(parse_sign1, issuers.statements(20_000_000, 4096))
    ]
    bare = [bare_rate(checks) for _ in range(5)]
    rows = [row("bare verification, two threads", bare, [1.0], "P-256")]
    rows += measure("SQLite", issuers, count, lambda folder: SqliteBackend(folder / "s.sqlite"))
    try:
        from tests.unit.record.store.postgres import PostgresServer  # noqa: PLC0415 - optional

        server = PostgresServer(durable=True)
        server.worn_in()
    except (ImportError, OSError, RuntimeError) as fault:
        print(f"PostgreSQL left out: {fault}", file=sys.stderr)
        return rows
    try:
        from kizuna.record.store.postgresql import PostgresqlBackend  # noqa: PLC0415 - optional

        rows += measure("PostgreSQL", issuers, count, lambda _: PostgresqlBackend(server.url))
    finally:
        server.stop()
    return rows


if __name__ == "__main__":
    from benchmarks.__main__ import show

    show(run(float(sys.argv[1]) if len(sys.argv) > 1 else 1.0))

# SPDX-License-Identifier: Apache-2.0
# ruff: noqa: ANN401
"""Stores, organisations and statements for the tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import Claim, Membership, Payload, Service, Standing, encode_payload
from kizuna.record.log import EvidenceLog, Signer
from kizuna.record.store import OperatorKey, RegistrationPolicy, Store, StoreSettings
from kizuna.record.store.backend import Backend
from kizuna.record.store.sqlite import SqliteBackend
from kizuna.roots.cose import sign_statement
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm
from kizuna.roots.units import EphemeralUnit

ORIGIN = "store.example/log"
LIST = "https://store.example/members"
NOW = 1_800_000_000


class Organisation:
    """An organisation with one key in memory."""

    def __init__(self, seed: bytes, algorithm: Algorithm = Algorithm.ES256) -> None:
        self.unit = EphemeralUnit(seed)
        self.handle = self.unit.generate(algorithm, "identity")
        self.identity = did_key(self.unit.public(self.handle))

    def sign(
        self,
        kind: Kind,
        subject: str,
        payload: Payload | bytes,
        *,
        at: int = NOW,
        issuer: str | None = None,
        handle: Any = None,
        **options: Any,
    ) -> bytes:
        data = payload if isinstance(payload, bytes) else encode_payload(payload)
        return sign_statement(
            self.unit,
            handle or self.handle,
            issuer=issuer or self.identity,
            subject=subject,
            media_type=options.pop("media_type", media_type_of(kind)),
            payload=data,
            issued_at=at,
            **options,
        )

    def claim(self, number: int, *, at: int = NOW, **options: Any) -> bytes:
        return self.sign(
            Kind.CAPABILITY,
            f"pkg:generic/part-{number}@1.0",
            Claim(type="capacity", claims={"number": number}),
            at=at,
            **options,
        )

    def grant(self, member: str, *, at: int = NOW, state: Standing = Standing.GRANTED) -> bytes:
        return self.sign(
            Kind.MEMBERSHIP,
            member,
            Membership(
                list_id=LIST,
                state=state,
                services=[Service(type="maker", kinds=[Kind.CAPABILITY])],
            ),
            at=at,
        )


class Place:
    """A folder with everything a store needs, which can be opened again and again."""

    def __init__(
        self,
        folder: Path,
        *,
        backend: Any = None,
        policy: RegistrationPolicy = RegistrationPolicy.OPEN,
        wait: float = 10.0,
        **options: Any,
    ) -> None:
        self.folder = folder
        self.operator = Organisation(b"operator")
        log_unit = EphemeralUnit(b"log")
        self.signer = Signer(ORIGIN, log_unit, log_unit.generate(Algorithm.EDDSA, "log"))
        self._backend = backend or (lambda: SqliteBackend(folder / "store.sqlite"))
        self.now = NOW
        self.opened: list[Backend] = []
        self.settings = StoreSettings(
            operator=OperatorKey(
                self.operator.identity,
                lambda kind, subject, payload, now: self.operator.sign(
                    kind, subject, payload, at=now
                ),
            ),
            list_id=LIST,
            policy=policy,
            wait=wait,
            **options,
        )

    def backend(self) -> Backend:
        made: Backend = self._backend()
        self.opened.append(made)
        return made

    def close(self) -> None:
        """Let go of every database this place has opened."""
        for backend in self.opened:
            backend.close()

    def clock(self) -> int:
        return self.now

    def log(self) -> EvidenceLog:
        return EvidenceLog(self.folder / "log", ORIGIN, self.signer)

    def create(self) -> Store:
        EvidenceLog.create(self.folder / "log", ORIGIN, self.signer, NOW)
        return Store.create(
            self.folder / "log", self.backend(), self.log(), self.settings, self.clock
        )

    def open(self, log: EvidenceLog | None = None) -> Store:
        return Store.open(
            self.folder / "log", self.backend(), log or self.log(), self.settings, self.clock
        )


def claims_of(organisation: Organisation, numbers: Sequence[int]) -> list[bytes]:
    return [organisation.claim(number) for number in numbers]

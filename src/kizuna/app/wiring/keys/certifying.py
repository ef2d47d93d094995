# SPDX-License-Identifier: Apache-2.0
"""Keys in chosen units, and certifications of keys as statements in the log.

Keeps: 1. A certification is a registered ``certificate`` statement about the key (its did:key) of
claim type ``key-certification``; it carries what the attesting key signed, so that whoever reads it
checks it without us. 2. What is shown as certified was checked just now. 3. ``retire`` ends a key's
use before its private part is destroyed, so that a fall in between leaves a key without use, not a
use without key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from kizuna.app.wiring.keys.life import ORGANISATION, Keys, algorithm_named
from kizuna.app.wiring.keys.units import HOME, checked_name, open_named, open_unit
from kizuna.model.errors import Absent, Malformed, Misconfigured, Problem, Refused, Unavailable
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.roots import base64url
from kizuna.roots.identity import did_key
from kizuna.roots.keys import Algorithm, PublicKey
from kizuna.roots.units import (
    Certification,
    Handle,
    Purpose,
    Unit,
    check_certification,
    generate_bound,
)
from kizuna.roots.units.problems import not_offered

if TYPE_CHECKING:
    from kizuna.app.wiring.owner import Owner

__all__ = ["Borrowed", "UnitKeys", "certify_at_birth"]

TYPE: Final = "key-certification"


class UnitKeys:
    """The keys of one store in all its units."""

    def __init__(self, workspace: Owner) -> None:
        self._workspace = workspace

    def units(self) -> list[dict[str, Any]]:
        """Every unit with what it is; one that does not answer says why."""
        rows = []
        for name in (HOME, *self._workspace.description.units):
            row: dict[str, Any] = {"name": name}
            try:
                with Borrowed(self._workspace, name) as unit:
                    row |= _told(unit)
            except (Unavailable, Misconfigured, Refused, Malformed) as problem:
                row |= {"kind": "", "problem": problem.code}
            rows.append(row)
        return rows

    def attach(self, name: str, said: str) -> dict[str, Any]:
        """Use a further unit under a short name.

        Raises:
            Malformed: ``unit.short-name``, ``unit.name``. Refused: ``unit.attached``.
            Misconfigured, Unavailable: ``unit.*`` where it does not open.
        """
        workspace = self._workspace
        checked_name(name)
        if name in workspace.description.units:
            raise Refused(
                "unit.attached",
                f"a unit called {name} is attached already",
                hint="choose another name",
                name=name,
            )
        unit = open_unit(said, workspace.folder, workspace.settings, name)
        told = _told(unit)
        unit.close()
        units = {**workspace.description.units, name: said}
        workspace.describe_as(msgspec.structs.replace(workspace.description, units=units))
        return {"name": name, **told}

    def create(
        self,
        label: str,
        *,
        unit: str = HOME,
        purpose: str = "sign",
        algorithm: str = "ES256",
        registers: tuple[int, ...] = (),
    ) -> dict[str, Any]:
        """Make a key in a chosen unit; it speaks for nobody until it is enrolled or certified.

        With ``registers`` the key works only while they are as they are now: the chip compares.

        Raises:
            Malformed: ``key.algorithm-unknown``, ``unit.purpose-unknown``, ``unit.unknown``.
            Refused: ``unit.not-offered`` where the unit only imitates registers.
        """
        if label == ORGANISATION:
            raise Malformed(
                "unit.label-taken",
                f"{ORGANISATION} is the label of keys that take over",
                hint="`kizuna key rotate` makes those; choose another label",
            )
        try:
            chosen = Purpose(purpose)
        except ValueError as fault:
            raise Malformed(
                "unit.purpose-unknown",
                f"keys are not made to {purpose[:20]!r}",
                hint="one of sign, agree, attest",
                purpose=purpose[:20],
            ) from fault
        with Borrowed(self._workspace, unit) as where:
            wanted = algorithm_named(algorithm)
            if registers:
                if wanted is not Algorithm.ES256:
                    raise not_offered(where.traits.kind, f"bound keys for {wanted.jose_name}")
                handle = generate_bound(where, label, chosen, registers)
            else:
                handle = where.generate(wanted, label, chosen)
            return {**_key(where, handle), "unit": unit, "registers": list(registers)}

    def keys(self) -> list[dict[str, Any]]:
        """Every key in every unit that answers, with its place and who certified it."""
        rows = []
        for name in (HOME, *self._workspace.description.units):
            try:
                with Borrowed(self._workspace, name) as unit:
                    rows += [{**_key(unit, h), "unit": name} for h in unit.handles()]
            except (Unavailable, Misconfigured, Refused) as problem:
                rows.append({"unit": name, "problem": problem.code})
        for row in rows:
            if "jwk" in row:
                row["certified_by"] = self.certified(PublicKey.from_jwk(row["jwk"]))
        return rows

    def certify(self, key: str, *, by: str) -> dict[str, Any]:
        """Let an attesting key certify another key, and register that.

        Args:
            key: thumbprint (or its beginning) of a key in any unit.
            by: the same of a key made to attest.

        Raises:
            Absent: ``key.not-found``. Refused: ``unit.purpose``.
        """
        workspace = self._workspace
        by_unit, by_handle = self._find(by)
        unit_name, handle = self._find(key)
        with Borrowed(workspace, by_unit) as attester:
            traits = attester.traits
            if unit_name == by_unit:
                said = attester.certify(by_handle, handle)
            else:
                with Borrowed(workspace, unit_name) as other:
                    subject = other.public(handle)
                said = attester.certify(by_handle, subject)
        claim = Claim(
            type=TYPE,
            claims={
                "key": said.subject.thumbprint.hex(),
                "certified-by": said.by.thumbprint.hex(),
                "claim": said.claim,
                "unit": traits.kind,
                "protection": traits.protection.value,
                "attestation": traits.attestation,
                "format": said.format,
                "attester": base64url.encode(said.by.cose_key),
                "message": base64url.encode(said.message),
                "signature": base64url.encode(said.signature),
                "area": base64url.encode(said.area),
            },
        )
        statement = workspace.sign(Kind.CERTIFICATE, did_key(said.subject), claim)
        digest, index = workspace.register_one(statement)
        return {
            "key": said.subject.thumbprint.hex(),
            "by": said.by.thumbprint.hex(),
            "claim": said.claim,
            "unit": traits.kind,
            "attestation": traits.attestation,
            "statement": digest,
            "index": index,
        }

    def certified(self, key: PublicKey) -> list[dict[str, Any]]:
        """The certifications of a key in the log that hold, newest last."""
        from kizuna.record.log.keys import subject_key

        name = subject_key(did_key(key))
        found = []
        for row in self._workspace.store.reader().by_keys([name]).get(name, ()):
            claim = row.statement.payload
            if (
                row.statement.kind is Kind.CERTIFICATE
                and isinstance(claim, Claim)
                and claim.type == TYPE
                and row.statement.issuer == self._workspace.identity
            ):
                said = _read(claim, key)
                if said is not None and check_certification(said):
                    found.append(
                        {
                            "by": said.by.thumbprint.hex(),
                            "claim": said.claim,
                            "unit": str(claim.claims.get("unit", "")),
                            "attestation": str(claim.claims.get("attestation", "")),
                            "index": row.index,
                        }
                    )
        return found

    def retire(self, key: str, *, reason: str | None = None) -> dict[str, Any]:
        """End a key's use, then destroy its private part.

        Raises:
            Absent: ``key.not-found``. Refused: ``key.last``, ``unit.log-key``.
        """
        workspace = self._workspace
        name, handle = self._find(key)
        if handle.id == workspace.description.log_key:
            raise Refused(
                "unit.log-key",
                "this key signs the log",
                why="without it no checkpoint can be made any more",
                hint="let another key take over the log first",
                key=handle.id,
            )
        states = {row["thumbprint"]: row["state"] for row in Keys(workspace).states()}
        ended = None
        if states.get(handle.id) in ("current", "active"):
            ended = Keys(workspace).revoke(handle.id, reason=reason or "retired")
        with Borrowed(workspace, name) as unit:
            unit.destroy(handle)
        return {
            "key": handle.id,
            "unit": name,
            "statement": None if ended is None else ended["statement"],
        }

    def _find(self, begins: str) -> tuple[str, Handle]:
        found = []
        for name in (HOME, *self._workspace.description.units):
            with Borrowed(self._workspace, name) as unit:
                found += [(name, h) for h in unit.handles() if h.id.startswith(begins.lower())]
        if len(found) != 1 or len(begins) < 4:
            raise Absent(
                "key.not-found",
                f"no single key whose thumbprint begins with {begins[:64]!r}",
                why=f"{len(found)} keys do" if len(begins) >= 4 else "four digits at least",
                hint="`kizuna key list` prints them",
                key=begins[:64],
            )
        return found[0]


def certify_at_birth(workspace: Owner) -> None:
    """Where a new store was given a TPM: the chip certifies the key that signs."""
    if not workspace.settings.unit.startswith("tpm:"):
        return
    keys = UnitKeys(workspace)
    keys.attach("tpm", workspace.settings.unit)
    made = keys.create("attestation", unit="tpm", purpose="attest")
    keys.certify(workspace.handle.id, by=made["thumbprint"])


class Borrowed:
    """A unit for a while; the store's own stays open."""

    def __init__(self, workspace: Owner, name: str) -> None:
        self._home = name == HOME
        self._unit = open_named(workspace, name)

    def __enter__(self) -> Unit:
        return self._unit

    def __exit__(self, *_: object) -> None:
        if not self._home:
            self._unit.close()


def _told(unit: Unit) -> dict[str, Any]:
    traits = unit.traits
    return {
        "kind": traits.kind,
        "protection": traits.protection.value,
        "registers": traits.registers,
        "attestation": traits.attestation,
        "algorithms": [a.jose_name for a in traits.algorithms],
        "purposes": [p.value for p in traits.purposes],
        "maker": traits.maker,
    }


def _key(unit: Unit, handle: Handle) -> dict[str, Any]:
    return {
        "thumbprint": handle.id,
        "label": handle.label,
        "algorithm": handle.algorithm.jose_name,
        "purpose": handle.purpose.value,
        "kind": unit.traits.kind,
        "protection": unit.traits.protection.value,
        "jwk": unit.public(handle).to_jwk(),
    }


def _read(claim: Claim, key: PublicKey) -> Certification | None:
    """The certification that a claim carries; None where it carries none."""
    said = claim.claims
    form, what = said.get("format"), said.get("claim")
    if form not in ("tpm2", "kizuna") or what not in ("lives-here", "presented"):
        return None
    try:
        return Certification(
            format="tpm2" if form == "tpm2" else "kizuna",
            claim="lives-here" if what == "lives-here" else "presented",
            by=PublicKey.from_cose(base64url.decode(str(said.get("attester", "")))),
            subject=key,
            message=base64url.decode(str(said.get("message", ""))),
            signature=base64url.decode(str(said.get("signature", ""))),
            area=base64url.decode(str(said.get("area", ""))),
        )
    except Problem:
        return None

# SPDX-License-Identifier: Apache-2.0
"""Registers against reference values and log policy.

Keeps: 1. Every register that the reference values name must be quoted. 2. A register is known by
its value; else by a log that replays to exactly that value and whose events are all listed under
the component ``event``. 3. Where only a digest over registers came, it is rebuilt from the values
that are referenced, within bounds; a published digest counts only for the registers bound at
enrolment, since others can be made to hold the same. 4. A log that does not replay is no word of
the chip: what tells against the device then is what the chip signed. 5. The tables are made once
for each set of reference values.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import new
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Final

from kizuna.proof.attestation.appraisal import AppraisalCode, AppraisalFinding
from kizuna.proof.attestation.judgement import AFFIRMS
from kizuna.roots.boot.eventlog import Misfit, first_misfit, replay
from kizuna.roots.boot.quote import Selection

if TYPE_CHECKING:
    from kizuna.proof.attestation.reference import Reference, References
    from kizuna.proof.attestation.schemes.tpm.evidence import Parts

__all__ = ["EVENT", "Known", "known_of", "register_findings"]

EVENT: Final = "event"
"""Component under which digests of allowed log events are listed, whatever their register."""
MAX_COMBINATIONS: Final = 4096
_RESETTABLE: Final = 16
"""From here on registers can be set back without a restart."""

_BANKS: Final = {"sha-256": "sha256", "sha-384": "sha384", "sha-512": "sha512", "sha-1": "sha1"}


_TABLES: Final = "tpm"
_MOST_KEPT: Final = 1024
"""Most quotes, and most selections, of one class whose findings are kept."""
_Quoted = tuple[Selection, str, bytes]
"""Selection, hash and digest of a quote: they stand for the values, which were hashed to it."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one class, at one moment."""

    registers: dict[tuple[str, int], dict[bytes, Reference]] = field(default_factory=dict)
    events: dict[bytes, Reference] = field(default_factory=dict)
    digests: dict[bytes, Reference] = field(default_factory=dict)
    """Digests over registers, where only those are published."""
    closed: bool = False
    at: int = 0
    gaps: dict[Selection, int | None] = field(default_factory=dict)
    """By selection that was quoted, the first register of the references that it leaves out."""
    judged: dict[_Quoted, tuple[int, tuple[AppraisalFinding, ...]]] = field(default_factory=dict)
    """What quotes without a log came to at this moment: devices of a class mostly show the same."""

    @property
    def empty(self) -> bool:
        """Whether nothing is known at all."""
        return not (self.registers or self.events or self.digests or self.closed)


def known_of(references: References, model: str, now: int) -> Known:
    """What the reference values say of a class."""
    tables: dict[str, Known] | None = references.tables.get(_TABLES)
    if tables is None:
        tables = {}
        for value in references:
            _take(tables.setdefault(value.model, Known()), value)
        references.tables[_TABLES] = tables
    known = tables.get(model) or Known()
    closed = references.closed(model)
    if known.closed is closed and known.at == now:
        return known
    # kept for the next device of this class; two threads that differ only make it twice
    known = tables[model] = replace(known, closed=closed, at=now, judged={})
    return known


def register_findings(
    parts: Parts, known: Known, model: str, *, bound: bool = False
) -> tuple[int, list[AppraisalFinding]]:
    """A number for the claim ``executables``, and what was found.

    The values that came along must have been found to give the digest of the quote; ``bound`` says
    that the quote is over the registers enrolled.
    """
    quote = parts.quote
    shown = (quote.selection, parts.signature.hash_name, quote.digest)
    if parts.log is not None or parts.registers is None:
        return _judge(parts, known, model, bound=bound)
    kept = known.judged.get(shown)
    if kept is None:
        number, findings = _judge(parts, known, model, bound=bound)
        if len(known.judged) >= _MOST_KEPT:
            known.judged.clear()
        kept = known.judged[shown] = number, tuple(findings)
    return kept[0], list(kept[1])


def _judge(
    parts: Parts, known: Known, model: str, *, bound: bool
) -> tuple[int, list[AppraisalFinding]]:
    if parts.log is not None and parts.registers is not None:
        for bank in {bank for bank, _ in parts.quote.selection}:
            misfit = _misfit(parts, bank)
            if misfit is not None:
                signed = list(_against_values(parts, known, model))
                return AppraisalCode.LOG_DIFFERS.number, [_log_differs(misfit), *signed]
    if known.empty:
        return 0, [AppraisalFinding(AppraisalCode.REFERENCE_MISSING, {"model": model[:80]})]
    left_out = _left_out(parts.quote.selection, known)
    if left_out is not None:
        return 0, [AppraisalFinding(AppraisalCode.MEASUREMENTS_MISSING, {"register": left_out})]
    used: list[Reference] = []
    findings = list(
        _by_digest(parts, known, model, used, bound=bound)
        if parts.registers is None
        else _by_value(parts, known, model, used)
    )
    if findings:
        return max(one.code.number for one in findings), findings
    if not used:
        return 0, [AppraisalFinding(AppraisalCode.MEASUREMENTS_MISSING, {"register": 0})]
    if not all(one.signed for one in used):
        about = {"model": model[:80]}
        findings.append(AppraisalFinding(AppraisalCode.REFERENCE_UNSIGNED, about))
    return AFFIRMS, findings


def _left_out(selection: Selection, known: Known) -> int | None:
    if selection in known.gaps:
        return known.gaps[selection]
    quoted = {(bank, n) for bank, numbers in selection for n in numbers}
    # in a bank whose values are known: the same number of an unused bank says nothing of it
    shown = {n for bank, n in quoted if (bank, n) in known.registers}
    found = min({n for _, n in known.registers} - shown, default=None)
    if len(known.gaps) >= _MOST_KEPT:
        known.gaps.clear()
    known.gaps[selection] = found
    return found


def _against_values(parts: Parts, known: Known, model: str) -> Iterator[AppraisalFinding]:
    """Registers that have reference values and show none of them, whatever a log says."""
    held = parts.registers or {}
    for bank, numbers in parts.quote.selection:
        for number in numbers:
            listed = known.registers.get((bank, number))
            value = held[bank, number]
            found = None if listed is None else listed.get(value)
            # where events are listed, the right log might explain the value
            unlisted = listed is not None and not known.events
            if unlisted and (found is None or not found.counts_at(known.at)):
                yield _unknown(known, model, str(number), value, "")


def _by_value(
    parts: Parts, known: Known, model: str, used: list[Reference]
) -> Iterator[AppraisalFinding]:
    held = parts.registers or {}
    for bank, numbers in parts.quote.selection:
        replayed = replay(parts.log, bank) if parts.log is not None else {}
        for number in numbers:
            value = held[bank, number]
            found = known.registers.get((bank, number), {}).get(value)
            if found is not None and found.counts_at(known.at):
                used.append(found)
                continue
            if number not in replayed:
                # a register nobody names and nothing was measured into says nothing
                if (bank, number) not in known.registers and value in (
                    bytes(len(value)),
                    b"\xff" * len(value),
                ):
                    continue
                # a log is no word of the chip: somebody on the way may have taken it out
                taken_out = bool(known.events) and parts.log is None
                yield _unknown(known, model, str(number), value, "", vouched=not taken_out)
                continue
            yield from _by_events(parts, known, model, used, (bank, number))


def _by_events(
    parts: Parts, known: Known, model: str, used: list[Reference], place: tuple[str, int]
) -> Iterator[AppraisalFinding]:
    """The first event of a register that nobody lists."""
    bank, number = place
    for event in parts.log.events if parts.log is not None else ():
        digest = event.digests.get(bank)
        if event.register != number or digest is None or not event.extends:
            continue
        found = known.events.get(digest)
        if found is None:
            found = next(
                (known.events[d] for d in event.content.values() if d in known.events), None
            )
        if found is None or not found.counts_at(known.at):
            name = f"{number}: event {event.number} {event.name}"
            yield _unknown(known, model, name, digest, event.name)
            return
        used.append(found)


def _by_digest(
    parts: Parts, known: Known, model: str, used: list[Reference], *, bound: bool
) -> Iterator[AppraisalFinding]:
    """Where only the digest over the registers came, as Parsec and EnactTrust send it.

    It does not say which registers it is over, and the sender chose them: software can lead a
    register that nobody uses to any value that another one has (8 to 15), and several that the
    firmware leaves alone hold the same (2, 3, 6).
    """
    quote = parts.quote
    found = known.digests.get(quote.digest)
    # a register that software may set back can be made to hold what another one should
    fixed = all(number < _RESETTABLE for _, numbers in quote.selection for number in numbers)
    if found is not None and fixed and found.counts_at(known.at):
        if bound:
            used.append(found)
        else:
            yield AppraisalFinding(AppraisalCode.SELECTION_UNBOUND)
        return
    choices = [
        [one for one in known.registers.get((bank, n), {}).values() if one.counts_at(known.at)]
        for bank, numbers in quote.selection
        for n in numbers
    ]
    if 0 < prod(len(choice) for choice in choices) <= MAX_COMBINATIONS:
        for combination in product(*choices):
            values = b"".join(one.digest for one in combination)
            if new(parts.signature.hash_name, values).digest() == quote.digest:
                used.extend(combination)
                return
    yield _unknown(known, model, "pcr-digest", quote.digest, "")


def _misfit(parts: Parts, bank: str) -> Misfit | None:
    if parts.log is None or parts.registers is None:
        return None
    # only registers that the log speaks of: others are judged by their values
    spoken = {e.register for e in parts.log.events if e.extends and bank in e.digests}
    numbers = next(n for name, n in parts.quote.selection if name == bank)
    quoted = {n: parts.registers[bank, n] for n in numbers if n in spoken}
    return first_misfit(parts.log, quoted, bank)


def _log_differs(misfit: Misfit) -> AppraisalFinding:
    where = f"register {misfit.register}"
    if misfit.event is not None:
        where += f", event {misfit.event} ({misfit.name[:80]})"
    return AppraisalFinding(
        AppraisalCode.LOG_DIFFERS,
        {
            "what": f"{where}: {misfit.cause}",
            "register": misfit.register,
            "event": "" if misfit.event is None else misfit.event,
            "name": misfit.name[:80],
            "cause": misfit.cause,
        },
        vouched=False,
    )


def _unknown(
    known: Known, model: str, component: str, digest: bytes, version: str, *, vouched: bool = True
) -> AppraisalFinding:
    code = AppraisalCode.FIRMWARE_UNKNOWN if known.closed else AppraisalCode.FIRMWARE_UNLISTED
    return AppraisalFinding(
        code,
        {
            "component": component[:80],
            "digest": digest.hex()[:128],
            "version": version[:40],
            "model": model[:80],
        },
        vouched,
    )


def _take(known: Known, value: Reference) -> None:
    bank = _BANKS.get(value.digest_alg)
    name = value.component.rpartition(":")[2]
    if bank is not None and name.isdecimal() and int(name) < 24:
        known.registers.setdefault((bank, int(name)), {})[value.digest] = value
    elif value.component == EVENT:
        known.events[value.digest] = value
    elif value.component in ("", "pcr-digest"):
        known.digests[value.digest] = value

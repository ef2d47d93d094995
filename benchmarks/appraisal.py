# SPDX-License-Identifier: Apache-2.0
"""Evidence of devices appraised, end to end into a store, beside bare signature verification.

Every round asks the same tokens of both, one after the other, so that the ratio means something on
a shared machine; the best round of each is shown, and the median of the rounds' ratios. Beside them
stands the processor time of one piece, which other work on the machine hardly moves: signatures run
on both cores, the rest on one, so ``bare / 2 + (piece - bare)`` is what a piece takes. A routine
round changes the standing of one device in a hundred (each change is a signed, registered
statement); the worst round changes all.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kizuna.app.wiring.workspace import Workspace
from kizuna.model.identifier import SubjectId
from kizuna.model.kind import Kind
from kizuna.model.payload import Claim
from kizuna.proof.attestation.appraisal import Appraisal, Status
from kizuna.proof.attestation.appraiser import Appraiser, Task
from kizuna.proof.attestation.freshness import Freshness
from kizuna.proof.attestation.reference import Reference, References
from kizuna.proof.attestation.scheme import Enrolled
from kizuna.proof.attestation.schemes import SCHEMES
from kizuna.proof.attestation.schemes.hmac import make_token, tiny_claims
from kizuna.proof.attestation.schemes.tpm.evidence import write_evidence
from kizuna.proof.attestation.token import read_token
from kizuna.roots.boot.quote import digest_of
from kizuna.roots.cose import SharedKey, encode, sign1
from kizuna.roots.keys import Algorithm, PublicKey, verify_many
from kizuna.roots.units import EphemeralUnit

NOW = 1_790_000_000
THREADS = 2
ROUNDS = 5
IMPLEMENTATION = b"benchmark-implementation-id-0001"
REGISTERS = (0, 1, 2, 3, 4, 5, 6, 7, 16)
PARTS = ("BL", "PRoT", "ARoT")


def run(scale: float = 1.0) -> dict[str, Any]:
    """Figures of one run; ``scale`` 1 is 8,192 PSA tokens and 40,960 HMAC tokens a round."""
    count = max(int(8_192 * scale), 1_024)
    devices = 512
    psa, checks = _psa(count, devices)
    quotes, quote_checks = _quotes(count // 2, devices)
    hmac = _hmac(5 * count, devices)
    appraiser = Appraiser(_references(), SCHEMES, threads=THREADS)
    figures: dict[str, Any] = {"psa_tokens": count, "psa_token_bytes": len(psa[0].evidence)}
    with tempfile.TemporaryDirectory() as folder:
        workspace = Workspace.init(Path(folder) / "store", "Verifier", now=NOW)
        try:
            works, spent = _rounds(
                [
                    lambda: all(verify_many(checks, THREADS)),
                    lambda: _good(appraiser.appraise_many(psa)),
                    lambda: _end_to_end(appraiser, psa, workspace, every=100),
                    lambda: _end_to_end(appraiser, psa[: count // 4], workspace, every=1),
                    lambda: all(verify_many(quote_checks, THREADS)),
                    lambda: _end_to_end(appraiser, quotes, workspace, every=100),
                ]
            )
        finally:
            workspace.close()
    bare, alone, routine, worst, bare_quotes, tpm = works
    counts = (count, count, count, count // 4, len(quotes), len(quotes))
    micro = [round(1e6 * cpu / each, 1) for cpu, each in zip(spent, counts, strict=True)]
    figures |= {
        "bare_verification_per_s": round(count / min(bare)),
        "psa_appraised_per_s": round(count / min(alone)),
        "psa_appraised_of_bare": _ratio(bare, alone),
        "psa_into_store_per_s": round(count / min(routine)),
        "psa_into_store_of_bare": _ratio(bare, routine),
        "psa_into_store_target": "0.6 and 5,000",
        "psa_all_changed_into_store_per_s": round(count // 4 / min(worst)),
        "tpm_quote_bytes": len(quotes[0].evidence),
        "tpm_into_store_per_s": round(len(quotes) / min(tpm)),
        "tpm_into_store_of_bare": _ratio(bare_quotes, tpm),
        "tpm_into_store_target": "0.6 and 5,000",
        "cpu_us_bare": micro[0],
        "cpu_us_psa_into_store": micro[2],
        "cpu_us_tpm_into_store": micro[5],
        "psa_of_bare_by_cpu": _by_cpu(micro[0], micro[2]),
        "tpm_of_bare_by_cpu": _by_cpu(micro[4], micro[5]),
    }
    (tiny,), _ = _rounds([lambda: _good(appraiser.appraise_many(hmac))])
    figures |= {
        "hmac_token_bytes": len(hmac[0].evidence),
        "hmac_appraised_per_s": round(len(hmac) / min(tiny)),
        "hmac_target_per_s": 20_000,
    }
    return figures


def _rounds(works: Sequence[Callable[[], object]]) -> tuple[list[list[float]], list[float]]:
    """Seconds of each work in each round, asked in turn, and the least processor time of each; the
    first round is not counted.
    """
    seconds: list[list[float]] = [[] for _ in works]
    spent = [float("inf")] * len(works)
    for number in range(ROUNDS + 1):
        for place, work in enumerate(works):
            began, cpu = time.perf_counter(), time.process_time()
            if not work():
                raise AssertionError("a good device was not affirmed")
            if number:
                seconds[place].append(time.perf_counter() - began)
                spent[place] = min(spent[place], time.process_time() - cpu)
    return seconds, spent


def _by_cpu(bare: float, whole: float) -> float:
    """The ratio on an idle machine: signatures on every thread, the rest on one."""
    return round((bare / THREADS) / (bare / THREADS + whole - bare), 2)


def _ratio(bare: Sequence[float], other: Sequence[float]) -> float:
    return round(statistics.median(b / o for b, o in zip(bare, other, strict=True)), 2)


def _good(answers: Sequence[Appraisal]) -> bool:
    return all(answer.status is Status.AFFIRMING for answer in answers)


def _end_to_end(
    appraiser: Appraiser, tasks: Sequence[Task], workspace: Workspace, *, every: int
) -> bool:
    """Appraise, and say and register what changed: one device in ``every``."""
    answers = appraiser.appraise_many(tasks)
    statements = [
        workspace.sign(
            Kind.EVIDENCE,
            SubjectId(f"urn:uuid:00000000-0000-4000-8000-{place:012d}"),
            Claim(
                type="attestation",
                claims={
                    "status": answer.status.value,
                    "tier": answer.tier.value,
                    "scheme": answer.scheme,
                    "evidence": answer.evidence.hex(),
                    "round": time.perf_counter_ns() % 2**50,
                },
            ),
        )
        for place, answer in enumerate(answers)
        if place % every == 0
    ]
    workspace.register(statements)
    return _good(answers)


def _references() -> References:
    references = References()
    for part in PARTS:
        references.add(
            Reference(
                model=IMPLEMENTATION.hex(),
                component=part,
                digest_alg="sha-256",
                digest=part.encode().ljust(32, b"."),
                signed=True,
            )
        )
    for number in REGISTERS:
        references.add(
            Reference(
                model="server",
                component=str(number),
                digest_alg="sha-256",
                digest=_register(number),
                signed=True,
            )
        )
    references.add(
        Reference(
            model="sensor", component="fw", digest_alg="sha-256", digest=b"f" * 32, signed=True
        )
    )
    return references


def _psa(count: int, devices: int) -> tuple[list[Task], list[tuple[PublicKey, bytes, bytes]]]:
    unit = EphemeralUnit(b"devices")
    handles = [unit.generate(Algorithm.ES256, f"device {number}") for number in range(devices)]
    enrolled = [
        Enrolled(
            scheme="psa", key=unit.public(handle), identity=b"\x01" + number.to_bytes(32, "big")
        )
        for number, handle in enumerate(handles)
    ]
    tasks: list[Task] = []
    checks: list[tuple[PublicKey, bytes, bytes]] = []
    for number in range(count):
        device = number % devices
        nonce = number.to_bytes(32, "big")
        claims = {
            265: "tag:psacertified.org,2023:psa#tfm",
            10: nonce,
            256: enrolled[device].identity,
            268: bytes(32),
            2394: 1,
            2395: 0x3000,
            2396: IMPLEMENTATION,
            2399: [
                {1: part, 2: part.encode().ljust(32, b"."), 4: "1.0.0", 5: b"s" * 32}
                for part in PARTS
            ],
        }
        token = sign1(unit, handles[device], {}, encode(claims))
        tasks.append(Task(token, "psa", Freshness(now=NOW, nonce=nonce), enrolled[device]))
        frame = read_token(token)
        checks.append((unit.public(handles[device]), frame.signature, frame.covered))
    return tasks, checks


def _quotes(count: int, devices: int) -> tuple[list[Task], list[tuple[PublicKey, bytes, bytes]]]:
    """Quotes over nine registers, each with their values and a nonce of its own."""
    unit = EphemeralUnit(b"chips")
    handles = [unit.generate(Algorithm.ES256, f"chip {number}") for number in range(devices)]
    enrolled = [
        Enrolled(scheme="tpm", key=unit.public(handle), reference="server") for handle in handles
    ]
    held = {("sha256", number): _register(number) for number in REGISTERS}
    selection = (("sha256", REGISTERS),)
    digest = digest_of(selection, held) or b""
    bits = sum(1 << number for number in REGISTERS).to_bytes(3, "little")
    tasks: list[Task] = []
    checks: list[tuple[PublicKey, bytes, bytes]] = []
    for number in range(count):
        device = number % devices
        nonce = number.to_bytes(32, "big")
        quote = b"".join(
            (
                b"\xffTCG\x80\x18\x00\x22\x00\x0b" + bytes(32),
                b"\x00\x20" + nonce,
                number.to_bytes(8, "big") + bytes(8) + b"\x01" + bytes(8),
                b"\x00\x00\x00\x01\x00\x0b\x03" + bits,
                b"\x00\x20" + digest,
            )
        )
        raw = unit.sign(handles[device], quote)
        signature = b"\x00\x18\x00\x0b\x00\x20" + raw[:32] + b"\x00\x20" + raw[32:]
        evidence = write_evidence(quote, signature, held)
        tasks.append(Task(evidence, "tpm", Freshness(now=NOW, nonce=nonce), enrolled[device]))
        checks.append((unit.public(handles[device]), raw, quote))
    return tasks, checks


def _register(number: int) -> bytes:
    return bytes([number + 1]) * 32


def _hmac(count: int, devices: int) -> list[Task]:
    keys = [SharedKey(number.to_bytes(32, "big")) for number in range(devices)]
    enrolled = [
        Enrolled(
            scheme="hmac",
            key=key,
            identity=b"\x01" + number.to_bytes(16, "big"),
            reference="sensor",
        )
        for number, key in enumerate(keys)
    ]
    fresh = Freshness(now=NOW, epochs=range(4, 6))
    return [
        Task(
            make_token(
                keys[number % devices],
                tiny_claims(
                    identity=enrolled[number % devices].identity or b"",
                    boot=1,
                    sequence=number,
                    epoch=5,
                    measurements={"fw": b"f" * 32},
                ),
            ),
            "hmac",
            fresh,
            enrolled[number % devices],
        )
        for number in range(count)
    ]

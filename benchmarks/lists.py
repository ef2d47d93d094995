# SPDX-License-Identifier: Apache-2.0
"""Lists and status: 10,000 organisations; 1,000,000 statements; what a list costs in a year.

Each figure is the best of a few runs in one process. The yearly costs are computed from the unit
costs measured in the same run, with the counts of acts that stand in ``_YEAR``.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from kizuna.model.identifier import Digest, SubjectId
from kizuna.model.kind import Kind, media_type_of
from kizuna.model.payload import encode_payload
from kizuna.model.statement import Interval, Registered, Statement
from kizuna.record.lists import ListState, Role, grant, list_id_of, service_for
from kizuna.record.lists.authoring import plan
from kizuna.record.lists.etsi602 import read_lote
from kizuna.record.lists.etsi602_written import Scheme, write_lote
from kizuna.record.lists.mapping import apply_mapping, read_mapping
from kizuna.record.status import (
    Bits,
    Cache,
    Reference,
    StatusList,
    read_status_list,
    write_status_list,
)
from kizuna.roots.cose import parse_sign1, sign_statement
from kizuna.roots.keys import Algorithm, PublicKey, verify
from kizuna.roots.units import EphemeralUnit

NOW = 1_795_305_600
DAY = 86_400

_YEAR = {
    "issues": 52,  # an issue a week
    "refreshes": 365,  # every follower asks once a day
    "changes": 0.2,  # of an entry: one in five suppliers changes something in a year
    "renewals": 1,  # of an entry: looked at once a year by a confirmation body
}


_DICE = random.Random(7)  # noqa: S311 - a world to measure in, the same every time


def _timed(call: Callable[[], Any], runs: int = 3) -> tuple[float, Any]:
    best, result = float("inf"), None
    for _ in range(runs):
        begin = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - begin)
    return best, result


def _state(count: int) -> tuple[ListState, dict[SubjectId, tuple[PublicKey, ...]]]:
    """A list of ``count`` makers with a key each."""
    operator = SubjectId("did:web:association.example")
    list_id = list_id_of(operator, "makers")
    unit = EphemeralUnit()
    keys = [unit.public(unit.generate(Algorithm.ES256, f"k{n}")) for n in range(count)]
    rows, found = [], {}
    for index, key in enumerate(keys):
        member = SubjectId(f"did:web:maker-{index}.example")
        service = service_for(Role.MAKER, scope=[f"pkg:generic/maker-{index}"])
        digest = Digest(sha256(str(index).encode()).digest())
        said = Statement(
            digest=digest,
            content=digest,
            issuer=operator,
            subject=member,
            kind=Kind.MEMBERSHIP,
            media_type=media_type_of(Kind.MEMBERSHIP),
            key_id=b"k",
            payload=grant(list_id, [service], name=f"Maker {index}", keys=[key.to_jwk()]),
        )
        at = Interval(NOW - DAY, NOW - DAY)
        rows.append(Registered(statement=said, origin="o", index=index, registered=at))
        found[member] = (key,)
    return ListState.of(list_id, operator, rows), found


def _list(scale: float) -> tuple[list[dict[str, Any]], dict[str, float]]:
    count = max(100, int(10_000 * scale))
    state, keys = _state(count)
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "operator")
    scheme = Scheme(
        list_id=state.list_id,
        operator="Association",
        title="Makers",
        sequence=1,
        issued=NOW,
        next_update=NOW + 7 * DAY,
    )
    publish, data = _timed(lambda: write_lote(unit, handle, state, scheme, keys=keys))
    load, foreign = _timed(lambda: read_lote(data, keys=[unit.public(handle)], now=NOW))
    rules = read_mapping(
        f'types:\n  "{state.list_id}#maker": {{role: maker, scope: [listed]}}\n'.encode()
    )
    mapped, wanted = _timed(lambda: apply_mapping(foreign, rules).wanted)
    compare, steps = _timed(lambda: plan(state, wanted, gone="gone"))
    members = _DICE.choices(list(state.entries), k=10_000)

    def look_up() -> int:
        return sum(
            bool(state.may(m, Kind.EVIDENCE, f"pkg:generic/{m[8:-8]}/fan@1", "firmware", NOW))
            for m in members
        )

    look, _ = _timed(look_up)
    rows = [
        {"figure": f"publish a list of {count:,}", "value": f"{publish:.2f} s"},
        {
            "figure": "its size",
            "value": f"{len(data) / 1e6:.1f} MB ({len(data) // count} bytes each)",
        },
        {"figure": "load and check it", "value": f"{load:.2f} s"},
        {"figure": "map it", "value": f"{mapped:.2f} s"},
        {
            "figure": "compare it with the one held",
            "value": f"{compare:.3f} s, {len(steps)} changes",
        },
        {"figure": "look a member up", "value": f"{look / len(members) * 1e6:.1f} us"},
    ]
    return rows, {
        "publish": publish,
        "load": load + mapped + compare,
        "bytes": len(data),
        "count": count,
    }


def _status(scale: float) -> list[dict[str, Any]]:
    count = max(10_000, int(1_000_000 * scale))
    rows: list[dict[str, Any]] = []
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "publisher")
    revoked = _DICE.sample(range(count), count // 100)
    for width in (1, 2):
        bits = Bits.of_size(count, width=width)
        for place in revoked:
            bits[place] = 1
        status = StatusList(
            uri="https://store.example/api/status-list", bits=bits, issued=NOW, expires=NOW + DAY
        )
        write, cwt = _timed(
            lambda status=status: write_status_list(unit, handle, status, as_cwt=True)
        )
        jwt = write_status_list(unit, handle, status)
        read, found = _timed(lambda cwt=cwt: read_status_list(cwt, unit.public(handle)))
        rows += [
            {
                "figure": f"status of {count:,}, 1 % revoked, {width} bit",
                "value": f"CWT {len(cwt):,} bytes, JWT {len(jwt):,} bytes",
            },
            {"figure": "  write, read", "value": f"{write * 1e3:.0f} ms, {read * 1e3:.0f} ms"},
        ]
        cache = Cache()
        cache.put(found, now=NOW)
        asked = [Reference(uri=found.uri, index=i) for i in _DICE.choices(range(count), k=100_000)]

        def check(cache: Cache = cache, asked: list[Reference] = asked) -> int:
            return sum(cache.status(one, NOW).value or 0 for one in asked)

        took, hits = _timed(check)
        assert hits > 0
        rows.append(
            {"figure": "  checked from cache", "value": f"{len(asked) / took:,.0f} a second"}
        )
    return rows


def _year(measured: dict[str, float]) -> list[dict[str, Any]]:
    """What running a list, and being on it, costs: per supplier and year."""
    unit = EphemeralUnit()
    handle = unit.generate(Algorithm.ES256, "x")
    payload = encode_payload(
        grant(SubjectId("did:web:a.example/lists/makers"), [service_for(Role.ASSESSOR)], name="A")
    )

    def entry() -> bytes:
        return sign_statement(
            unit,
            handle,
            issuer=SubjectId("did:web:a.example"),
            subject=SubjectId("did:web:maker-1.example"),
            media_type=media_type_of(Kind.MEMBERSHIP),
            payload=payload,
            issued_at=NOW,
        )

    sign, signed = _timed(lambda: [entry() for _ in range(200)])
    envelope = parse_sign1(signed[0])
    key = unit.public(handle)
    check, _ = _timed(
        lambda: [verify(key, envelope.signature, envelope.to_be_signed) for _ in range(200)]
    )
    each = (sign + check) / 200
    size, count = len(signed[0]), measured["count"]
    acts = _YEAR["renewals"] + _YEAR["changes"]
    issues = f"{_YEAR['issues'] * measured['bytes'] / count:,.0f}"
    running = {
        "human acts": f"{2 * acts:.1f} (propose, enter)",
        "calls": f"{2 * acts:.1f}",
        "bytes": f"{2 * acts * size:,.0f} registered, {issues} published",
        "CPU": f"{(2 * acts * each + _YEAR['issues'] * measured['publish'] / count) * 1e3:.1f} ms",
    }
    being = {
        "human acts": f"{acts:.1f} (answer the body)",
        "calls": "0",
        "bytes": "0",
        "CPU": "0",
    }
    following = {
        "human acts": f"{1 / count:.4f} (key and mapping, once)",
        "calls": f"{_YEAR['refreshes'] / count:.3f}",
        "bytes": f"{issues} (365 questions, 52 new issues)",
        "CPU": f"{_YEAR['issues'] * measured['load'] / count * 1e3:.1f} ms",
    }
    return [
        {"figure": f"a supplier and year, {who}: {what}", "value": value}
        for who, costs in (
            ("for who runs the list", running),
            ("for who is on it", being),
            ("for each who follows it", following),
        )
        for what, value in costs.items()
    ]


def run(scale: float) -> list[dict[str, Any]]:
    rows, measured = _list(scale)
    return [*rows, *_status(scale), *_year(measured)]

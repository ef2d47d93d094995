# SPDX-License-Identifier: Apache-2.0
"""Goods-in of a factory: check each lot as it arrives.

One scan a line comes in on standard input, as handheld scanners type it: a GS1 element string
(``(01)09520123456788(10)LOT7`` or ``]d20109520123456788...``), a GS1 Digital Link, or any other
identifier. One decision a line goes out, as JSON or as text for the person at the gate:

accept
    the chain behind the lot is trusted;
hold
    something needed is missing, stale or cannot be read: put it aside and ask whose turn it is;
reject
    something is known to be wrong.

``--fetch`` saves a proof bundle for each lot that is expected. When the server cannot be reached
the decision is made from that bundle with the ``kizuna`` command and your own trust file: whom to
believe never comes from the network or from the bundle.

Exit code: 0 all accepted, 10 something rejected, 13 something held.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import re
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FIXED = {
    "00": 18, "01": 14, "02": 14, "11": 6, "12": 6, "13": 6, "15": 6, "16": 6, "17": 6, "20": 2,
}  # fmt: skip
"""Application identifiers whose value has a fixed length (GS1 General Specifications, 7.8.5)."""

VARIABLE = {"10", "21", "22", "37", "240", "241", "250", "400"}
PATH_ORDER = ("22", "10", "21")
"""Qualifiers of a GTIN in a Digital Link, in the order of its path."""

DECISION = {"trusted": "accept", "undetermined": "hold", "untrusted": "reject"}
TIMEOUT = 20
LIMIT = 16 << 20


class NotReadableError(ValueError):
    """A label that is no identifier."""


@dataclass
class Decision:
    """What to do with one lot, and why."""

    scan: str
    subject: str
    decision: str
    verdict: str = ""
    source: str = "server"
    at: int | None = None
    reasons: list[dict[str, str]] = field(default_factory=list)


def subject_of(scan: str, resolver: str) -> str:
    """The identifier behind a scan: a Digital Link for GS1 labels, else the text itself."""
    text = scan.strip()
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        return text
    values = dict(elements(text))
    if "00" in values:
        return f"{resolver}/00/{checked(values['00'])}"
    if "01" not in values:
        raise NotReadableError("the label holds no GTIN (01) and no SSCC (00)")
    path = f"{resolver}/01/{checked(values['01'])}"
    for name in PATH_ORDER:
        if name in values:
            path += f"/{name}/{urllib.parse.quote(values[name], safe='')}"
    return path


def elements(text: str) -> Iterator[tuple[str, str]]:
    """The element strings of a GS1 label, with or without brackets."""
    if text.startswith("("):
        found = re.findall(r"\(([0-9]{2,4})\)([^(]*)", text)
        if "".join(f"({a}){v}" for a, v in found) != text:
            raise NotReadableError("brackets on the label do not fit")
        yield from ((name, value.strip()) for name, value in found)
        return
    rest = re.sub(r"^\][A-Za-z][0-9]", "", text).lstrip("\x1d")
    if not rest or not rest[:2].isdigit():
        raise NotReadableError("the label is no GS1 element string")
    while rest:
        name = next((rest[:n] for n in (2, 3) if rest[:n] in FIXED or rest[:n] in VARIABLE), "")
        if not name:
            raise NotReadableError(f"application identifier {rest[:4]!r} is not known here")
        rest = rest[len(name) :]
        if name in FIXED:
            value, rest = rest[: FIXED[name]], rest[FIXED[name] :].removeprefix("\x1d")
            if len(value) != FIXED[name] or not value.isdigit():
                raise NotReadableError(f"({name}) needs {FIXED[name]} digits")
        else:
            value, _, rest = rest.partition("\x1d")
        yield name, value


def checked(number: str) -> str:
    """The number, if its check digit fits: a misread label must not become another product."""
    digits = [int(d) for d in number]
    total = sum(d * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits[:-1])))
    if (10 - total % 10) % 10 != digits[-1]:
        raise NotReadableError(f"the check digit of {number} does not fit: scan again")
    return number


class Gate:
    """The gate of one factory: where to ask, by what profile, and what to do offline."""

    def __init__(
        self, server: str, profile: str, lang: str, bundles: Path | None, trust: Path | None
    ) -> None:
        self.server = server.rstrip("/")
        self.profile = profile
        self.lang = lang
        self.bundles = bundles
        self.trust = trust

    def decide(self, scan: str, subject: str) -> Decision:
        """Ask the server; without it, judge the bundle that was fetched before."""
        try:
            told = json.loads(self._get("/api/verify", subject))
            return self._decision(scan, subject, told, "server")
        except urllib.error.HTTPError as refused:
            problem = _problem(refused)
            return Decision(scan, subject, "hold", reasons=[problem])
        except (OSError, http.client.HTTPException, ValueError):
            return self._offline(scan, subject)

    def fetch(self, subject: str) -> Path:
        """Save the proof bundle of a lot that is expected."""
        data = self._get("/api/export", subject)
        target = self._bundle_of(subject)
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".new")
        fresh.write_bytes(data)
        fresh.replace(target)
        return target

    def _offline(self, scan: str, subject: str) -> Decision:
        if self.bundles is None or self.trust is None:
            return _held(scan, subject, "the server cannot be reached", "check the network")
        bundle = self._bundle_of(subject)
        if not bundle.is_file():
            return _held(
                scan,
                subject,
                "the server cannot be reached, and no bundle of this lot was fetched",
                "run --fetch for expected lots while the network is there",
            )
        command = ["kizuna", "verify", subject, "--bundle", str(bundle), "--trust", str(self.trust)]
        command += ["--profile", self.profile, "--lang", self.lang, "--json"]
        done = subprocess.run(command, capture_output=True, check=False)  # noqa: S603 - our own words
        try:
            told = json.loads(done.stdout)
        except ValueError:
            return _held(scan, subject, "the bundle could not be judged", "fetch it again")
        if "verdict" not in told:
            reason = {"message": told.get("message", ""), "mend": told.get("hint", "")}
            return Decision(scan, subject, "hold", source="bundle", reasons=[reason])
        return self._decision(scan, subject, told, "bundle")

    def _decision(self, scan: str, subject: str, told: dict[str, Any], source: str) -> Decision:
        reasons = [
            {"code": f["code"], "message": f["message"], "mend": f["mend"], "turn": f["turn"]}
            for f in told["findings"]
            if f["counts"]
        ]
        return Decision(
            scan=scan,
            subject=subject,
            decision=DECISION.get(told["verdict"], "hold"),
            verdict=told["verdict"],
            source=source,
            at=told["at"],
            reasons=reasons[:10],
        )

    def _get(self, path: str, subject: str) -> bytes:
        asked = urllib.parse.urlencode(
            {"subject": subject, "profile": self.profile, "lang": self.lang}
        )
        with urllib.request.urlopen(f"{self.server}{path}?{asked}", timeout=TIMEOUT) as answer:  # noqa: S310 - the address is the operator's
            data: bytes = answer.read(LIMIT + 1)
        if len(data) > LIMIT:
            raise ValueError("the answer is too large")
        return data

    def _bundle_of(self, subject: str) -> Path:
        folder = self.bundles or Path()
        return folder / f"{hashlib.sha256(subject.encode()).hexdigest()}.kz"


def _problem(refused: urllib.error.HTTPError) -> dict[str, str]:
    try:
        told = json.loads(refused.read(LIMIT))
        return {"code": told["code"], "message": told["message"], "mend": told["hint"]}
    except (ValueError, KeyError):
        return {"code": "", "message": f"the server answered {refused.code}", "mend": ""}


def _held(scan: str, subject: str, message: str, mend: str) -> Decision:
    return Decision(
        scan, subject, "hold", source="none", reasons=[{"message": message, "mend": mend}]
    )


def show(decision: Decision) -> str:
    """A decision for the person at the gate."""
    sign = {"accept": "✓ ACCEPT", "hold": "? HOLD  ", "reject": "✗ REJECT"}[decision.decision]
    lines = [f"{sign}  {decision.scan}"]
    if decision.source == "bundle":
        lines[0] += "  (offline, from the bundle)"
    for reason in decision.reasons:
        lines.append(f"    {reason['message']}")
        if reason.get("mend"):
            lines.append(f"    → {reason['mend']}")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Read scans, print decisions."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    options = argparse.ArgumentParser(description=about)
    options.add_argument("--server", required=True, help="address of the kizuna store")
    options.add_argument("--profile", required=True, help="by what measure")
    options.add_argument("--lang", choices=("en", "ja"), default="en")
    options.add_argument(
        "--resolver", default="https://id.gs1.org", help="start of Digital Links for plain labels"
    )
    options.add_argument("--bundles", type=Path, help="folder of proof bundles, for offline use")
    options.add_argument("--trust", type=Path, help="file made by `kizuna trust export`")
    options.add_argument("--fetch", action="store_true", help="fetch bundles instead of deciding")
    options.add_argument("--json", action="store_true", help="one JSON object a line")
    chosen = options.parse_args(arguments)
    if chosen.fetch and chosen.bundles is None:
        options.error("--fetch needs --bundles")
    gate = Gate(chosen.server, chosen.profile, chosen.lang, chosen.bundles, chosen.trust)
    outcomes: set[str] = set()
    for line in sys.stdin:
        scan = line.strip("\r\n ")
        if not scan:
            continue
        try:
            subject = subject_of(scan, chosen.resolver.rstrip("/"))
        except NotReadableError as fault:
            decision = _held(scan, "", str(fault), "scan the label again")
        else:
            if chosen.fetch:
                try:
                    print(gate.fetch(subject), file=sys.stderr)
                    continue
                except (OSError, ValueError) as fault:
                    decision = _held(scan, subject, f"no bundle: {fault}", "check the network")
            else:
                decision = gate.decide(scan, subject)
        outcomes.add(decision.decision)
        print(
            json.dumps(decision.__dict__, ensure_ascii=False) if chosen.json else show(decision),
            flush=True,
        )
    if "reject" in outcomes:
        return 10
    return 13 if "hold" in outcomes else 0


if __name__ == "__main__":
    raise SystemExit(main())

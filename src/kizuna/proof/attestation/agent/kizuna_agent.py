# SPDX-License-Identifier: Apache-2.0
"""The device agent: one file that measures by a plan and says what it saw in one signed token.

Copy this file to the device. It needs nothing but ``hashlib.sha256`` and runs on CPython 3.9 or
newer and on MicroPython. Keeps: 1. It hashes at most one chunk at a time and tells how long to
rest after it, so that it never takes more of the processor than its plan allows. 2. What it says
of a region is the digest of one whole pass. 3. Boot counter and sequence only go forward; the
caller keeps the boot counter. 4. The secret, or the key behind ``sign``, never leaves the device.

Sizes: tiny (HMAC with a shared secret), standard (``sign`` is a hook into a secure element, a TPM
or a C module), Linux (``main``: files and folders, pushed over HTTP).
"""

import hashlib

PROFILE = "tag:kizuna.example,2026:eat#tiny"
CHUNK = 1024


def _head(major, number):
    major <<= 5
    if number < 24:
        return bytes((major | number,))
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << (8 * size):
            return bytes((major | extra,)) + number.to_bytes(size, "big")
    raise ValueError("number too large")


def encode(value):
    """Deterministic CBOR (RFC 8949 section 4.2.1) of numbers, bytes, text, lists and maps."""
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        raw = value.encode()
        return _head(3, len(raw)) + raw
    if isinstance(value, dict):
        pairs = sorted((encode(k), encode(v)) for k, v in value.items())
        return _head(5, len(pairs)) + b"".join([k + v for k, v in pairs])
    return _head(4, len(value)) + b"".join([encode(v) for v in value])


def hmac(secret, message):
    """HMAC-SHA-256 (RFC 2104)."""
    if len(secret) > 64:
        secret = hashlib.sha256(secret).digest()
    secret = secret + bytes(64 - len(secret))
    inner = hashlib.sha256(bytes([b ^ 0x36 for b in secret]))
    inner.update(message)
    outer = hashlib.sha256(bytes([b ^ 0x5C for b in secret]))
    outer.update(inner.digest())
    return outer.digest()


class Region:
    """One thing to measure: ``read(offset, length)`` gives its bytes."""

    def __init__(self, name, size, period, read):
        self.name = name
        self.size = size
        self.period = period
        self.read = read
        self.due = None
        self.at = 0
        self.hash = None
        self.digest = None


class Agent:
    """Measures regions by their deadlines and makes tokens; times in milliseconds."""

    def __init__(self, identity, boot, secret=None, sign=None, budget=100):
        """``identity`` is the UEID (7 to 33 bytes), ``boot`` how often the device has started,
        ``budget`` the share of the processor in hundredths of a percent; ``secret`` or ``sign``
        authenticates.
        """
        if not 7 <= len(identity) <= 33:
            raise ValueError("a UEID has 7 to 33 bytes")
        self.identity = identity
        self.boot = boot
        self.sequence = 0
        self.secret = secret
        self.sign = sign
        self.budget = budget
        self.regions = []
        self.news = False

    def add(self, name, size, period, read):
        """Measure a region once in every ``period`` milliseconds."""
        self.regions.append(Region(name, size, period, read))

    def step(self, now, clock):
        """Hash one chunk of what is most urgent. Gives the milliseconds to rest before the next.

        ``clock()`` is the time in microseconds; what the chunk took decides how long to rest.
        """
        chosen = None
        wait = 60000
        for region in self.regions:
            if region.due is None:
                region.due = now + region.period
            released = region.due - region.period
            if released > now:
                wait = min(wait, released - now)
            elif chosen is None or region.due < chosen.due:
                chosen = region
        if chosen is None:
            return wait
        began = clock()
        self._measure(chosen)
        took = max(1, clock() - began)
        return -(-took * (10000 - self.budget) // self.budget // 1000)

    def _measure(self, region):
        if region.hash is None:
            region.hash = hashlib.sha256()
            region.at = 0
        piece = region.read(region.at, min(CHUNK, region.size - region.at))
        region.hash.update(piece)
        region.at += len(piece)
        if region.at >= region.size or not piece:
            digest = region.hash.digest()
            if region.digest is not None and digest != region.digest:
                self.news = True
            region.digest = digest
            region.hash = None
            region.due += region.period

    def measure_all(self):
        """One whole pass over everything at once: at start, or when the verifier asks."""
        for region in self.regions:
            region.hash = None
            region.due = region.due or region.period
            due = region.due
            self._measure(region)
            while region.hash is not None:
                self._measure(region)
            region.due = due

    def complete(self):
        """Whether every region has been measured once."""
        return all(r.digest is not None for r in self.regions)

    def token(self, nonce=None, epoch=None, model=None, uptime=None):
        """The evidence: an EAT with what was measured, as COSE_Mac0, or COSE_Sign1 by ``sign``.

        Show the verifier's ``nonce`` where it asked, else the ``epoch`` id that it last announced.
        """
        self.sequence += 1
        found = sorted([(r.name, r.digest) for r in self.regions if r.digest is not None])
        claims = {
            256: self.identity,
            265: PROFILE,
            267: self.boot,
            -70001: self.sequence,
            -70002: found,
        }
        beside = {10: nonce, -70000: epoch, -70003: model, 261: uptime}
        claims.update({label: value for label, value in beside.items() if value is not None})
        payload = encode(claims)
        header, kind, tag = b"\xa1\x01\x05", "MAC0", b"\xd1"
        if self.sign:
            header, kind, tag = b"\xa1\x01\x26", "Signature1", b"\xd2"
        covered = encode([kind, header, b"", payload])
        proof = self.sign(covered) if self.sign else hmac(self.secret, covered)
        self.news = False
        return tag + encode([header, {}, payload, proof])


def reader(path):
    """The reading function of a file, or of a folder: its names and contents in order.

    A file is read to its end, however long it has become; a folder is listed as its pass begins.
    """
    import os

    seen = {}

    def listing():
        out = []
        for top, folders, names in os.walk(path):
            folders.sort()
            for name in sorted(names):
                one = os.path.join(top, name)
                with open(one, "rb") as file:
                    digest = hashlib.sha256(file.read()).digest()
                out.append(encode([os.path.relpath(one, path), digest]))
        return b"".join(out)

    def read_folder(at, length):
        if at == 0:
            seen["whole"] = listing()
        return seen["whole"][at : at + length]

    def read_file(at, length):
        with open(path, "rb") as file:
            file.seek(at)
            return file.read(length)

    return read_folder if os.path.isdir(path) else read_file


def _ask(url, body=None):
    from urllib.request import Request, urlopen

    kind = {"Content-Type": "application/cbor"} if body else {}
    with urlopen(Request(url, data=body, headers=kind), timeout=30) as answer:
        return answer.read(65536)


def main(arguments):
    """``kizuna_agent.py SETTINGS.json [--once]``: measure files by the plan, push over HTTP.

    Settings: ``server``, ``subject``, ``identity`` (hexadecimal), ``secret`` and ``boots`` (files),
    ``paths`` (name to file or folder), ``plan`` (as ``kizuna device plan --out`` writes it), and
    where wanted ``model`` and ``every`` (seconds between reports that nothing changed).
    """
    import json
    import time
    from urllib.parse import quote

    with open(arguments[0]) as file:
        settings = json.load(file)
    with open(settings["secret"], "rb") as file:
        secret = file.read()
    try:
        with open(settings["boots"]) as file:
            boots = int(file.read()) + 1
    except FileNotFoundError:
        boots = 1
    with open(settings["boots"], "w") as file:
        file.write(str(boots))
    plan = settings["plan"]
    agent = Agent(bytes.fromhex(settings["identity"]), boots, secret, budget=plan["budget"])
    for name, _, period in plan["regions"]:
        agent.add(name, 1 << 62, period, reader(settings["paths"][name]))
    door = settings["server"].rstrip("/") + "/api/devices/"
    subject = settings["subject"]
    agent.measure_all()
    told = 0
    while True:
        now = time.monotonic()
        # a challenge counts once, and two of one second are one: wait before telling news
        wait = 2 if agent.news else settings.get("every", 60)
        if not told or now - told >= wait:
            try:
                nonce = _ask(door + "challenge?subject=" + quote(subject, safe=""))
                token = agent.token(nonce=nonce, model=settings.get("model"))
                _ask(door + "evidence", encode([[subject, token]]))
                told = now
            except OSError as fault:
                print("not told:", fault)
                if "--once" in arguments:
                    return 1
                agent.news = True
                time.sleep(10)
        if "--once" in arguments:
            return 0
        rest = agent.step(int(now * 1000), lambda: time.perf_counter_ns() // 1000)
        time.sleep(min(rest, 1000) / 1000)


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))

# SPDX-License-Identifier: Apache-2.0
"""Shop scan: a GS1 Digital Link in, a page with the verdict out.

A customer or a shop assistant scans the QR code of a product; the page says in one glance whether
the chain behind it is trusted, what is missing or wrong, and whose turn it is. English or Japanese.

``shop_scan.py URI --server URL --profile NAME --out page.html`` writes one page;
``shop_scan.py --listen PORT --server URL --profile NAME`` is a small kiosk: ``/?uri=...``.

Exit code of the first form: that of the verdict (0 only when it is trusted).
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

TIMEOUT = 15
LIMIT = 8 << 20
LONGEST = 2048
SHOWN = 5

WORDS = {
    "en": {
        "trusted": "Trusted",
        "undetermined": "Cannot be told",
        "untrusted": "Not trusted",
        "trusted.say": "Everything that counts behind this product is shown to hold.",
        "undetermined.say": "Nothing is known to be wrong, but something needed is missing.",
        "untrusted.say": "Something behind this product is known to be wrong.",
        "reasons": "Why",
        "mend": "What would mend it",
        "more": "and {count} more",
        "coverage": "{subjects} parts and parties looked at, {proven} of them fully proven.",
        "at": "As of {at}, by the profile {profile}.",
        "no-link": "This is no GS1 Digital Link.",
        "no-link.say": "Scan the QR code of the product again.",
        "no-answer": "The store did not answer.",
        "no-answer.say": "Try again in a moment.",
        "details": "The whole explanation",
    },
    "ja": {
        "trusted": "信頼できます",
        "undetermined": "判定できません",
        "untrusted": "信頼できません",
        "trusted.say": "この製品を支えるものについて、必要なことがすべて示されています。",
        "undetermined.say": "悪いと分かったものはありませんが、必要な証拠が足りません。",
        "untrusted.say": "この製品を支えるものに、悪いと分かったものがあります。",
        "reasons": "理由",
        "mend": "どうすれば直るか",
        "more": "ほか {count} 件",
        "coverage": "部品と関係者 {subjects} 件を調べ、{proven} 件は要件をすべて満たしています。",
        "at": "{at} 時点、プロファイル {profile} による判定です。",
        "no-link": "GS1 Digital Link ではありません。",
        "no-link.say": "製品の QR コードをもう一度読み取ってください。",
        "no-answer": "ストアから応答がありません。",
        "no-answer.say": "少し待って、もう一度お試しください。",
        "details": "説明の全体",
    },
}

STYLE = """
body{margin:0;font-family:system-ui,"Hiragino Sans","Noto Sans JP",sans-serif;background:#f7f6f3;
color:#22262e;line-height:1.6}
main{max-width:34rem;margin:0 auto;padding:2rem 1.2rem;text-align:center}
svg{width:132px;height:132px}h1{font-size:2rem;margin:.4rem 0}
p{margin:.4rem 0}.id{color:#646b78;font-size:.85rem;overflow-wrap:anywhere}
section{text-align:left;background:#fff;border:1px solid #e3e1db;border-radius:12px;
padding:1rem 1.2rem;margin:1.2rem 0}h2{font-size:1rem;margin:0 0 .4rem}
li{margin:.5rem 0}.mend{color:#646b78}.small{color:#646b78;font-size:.85rem}
.trusted h1{color:#00659e}.undetermined h1{color:#8a5a00}.untrusted h1{color:#b23c00}
@media(prefers-color-scheme:dark){body{background:#15181d;color:#e6e7ea}
section{background:#1d2128;border-color:#2e343e}.trusted h1{color:#7cc0ec}
.undetermined h1{color:#f0b955}.untrusted h1{color:#ff9a6b}.mend,.small,.id{color:#9aa2b1}}
"""

SIGNS = {
    "trusted": '<circle r="48" fill="#0072b2"/><path d="M-22 2l15 15 29-33" fill="none" '
    'stroke="#fff" stroke-width="9" stroke-linecap="round" stroke-linejoin="round"/>',
    "undetermined": '<path d="M0-48L50 40H-50Z" fill="#e09b14" stroke="#e09b14" stroke-width="10" '
    'stroke-linejoin="round"/><path d="M-11-12a11 11 0 1 1 15 11q-5 2-5 9M-1 27v1" fill="none" '
    'stroke="#241a00" stroke-width="8" stroke-linecap="round"/>',
    "untrusted": '<rect x="-46" y="-46" width="92" height="92" rx="14" fill="#c84400"/>'
    '<path d="M-20-20l40 40M20-20l-40 40" fill="none" stroke="#fff" stroke-width="9" '
    'stroke-linecap="round"/>',
}

EXIT = {"trusted": 0, "undetermined": 13, "untrusted": 10}

_LINK = re.compile(r"https?://[^/\s]+(?:/[^/\s]+)*?/(?:01/[0-9]{14}|00/[0-9]{18}|8006/[0-9]{18})")


def is_digital_link(uri: str) -> bool:
    """True for a GS1 Digital Link with a primary key this shop knows."""
    return len(uri) <= LONGEST and _LINK.match(uri) is not None


def identifier_of(uri: str) -> str:
    """The product behind the link: tracking parameters of the shop are no part of its name."""
    return uri.partition("?")[0].partition("#")[0]


def ask(server: str, uri: str, profile: str, lang: str) -> dict[str, Any]:
    """The verdict, as the store gives it; raises OSError or ValueError where it does not."""
    asked = urllib.parse.urlencode(
        {"subject": identifier_of(uri), "profile": profile, "lang": lang}
    )
    address = f"{server.rstrip('/')}/api/verify?{asked}"
    with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:  # noqa: S310 - the operator's
        told: dict[str, Any] = json.loads(answer.read(LIMIT))
    return told


def page(told: dict[str, Any], server: str, lang: str) -> str:
    """The page for one verdict."""
    words = WORDS[lang]
    value = told["verdict"]
    parts = [f"<h1>{escape(words[value])}</h1><p>{escape(words[value + '.say'])}</p>"]
    parts.append(f'<p class="id">{escape(told["subject"])}</p>')
    findings = [f for f in told["findings"] if f["counts"]]
    if findings:
        lines = "".join(
            f"<li>{escape(f['message'])}"
            + (f'<br><span class="mend">→ {escape(f["mend"])}</span>' if f["mend"] else "")
            + "</li>"
            for f in findings[:SHOWN]
        )
        more = len(findings) - SHOWN
        if more > 0:
            lines += f'<li class="small">{escape(words["more"].format(count=more))}</li>'
        parts.append(f"<section><h2>{escape(words['reasons'])}</h2><ul>{lines}</ul></section>")
    coverage = words["coverage"].format(**told["coverage"])
    when = words["at"].format(at=_day(told["at"]), profile=told["profile"])
    asked = urllib.parse.urlencode(
        {"id": told["subject"], "profile": told["profile"], "lang": lang}
    )
    link = f"{server.rstrip('/')}/explain?{asked}"
    parts.append(f'<p class="small">{escape(coverage)}<br>{escape(when)}</p>')
    parts.append(f'<p><a href="{escape(link)}">{escape(words["details"])}</a></p>')
    return whole(value, words[value], "".join(parts), lang)


def failure(key: str, lang: str) -> str:
    """The page for what could not be judged."""
    words = WORDS[lang]
    body = f"<h1>{escape(words[key])}</h1><p>{escape(words[key + '.say'])}</p>"
    return whole("undetermined", words[key], body, lang)


def whole(value: str, title: str, body: str, lang: str) -> str:
    """A page that needs nothing from elsewhere; its own policy forbids everything but its style."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        f'<!doctype html><html lang="{lang}"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>"
        f'<body><main class="{value}">'
        f'<svg viewBox="-60 -60 120 120" aria-hidden="true">{SIGNS[value]}</svg>'
        f"{body}</main></body></html>"
    )


def judged(uri: str, server: str, profile: str, lang: str) -> tuple[int, str]:
    """Exit code and page for one scan."""
    if not is_digital_link(uri):
        return 2, failure("no-link", lang)
    try:
        told = ask(server, uri, profile, lang)
        return EXIT[told["verdict"]], page(told, server, lang)
    except (OSError, ValueError, KeyError):
        return 20, failure("no-answer", lang)


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


class Kiosk(BaseHTTPRequestHandler):
    """A page for each scan."""

    server_version = "shop-scan"
    options: argparse.Namespace

    def do_GET(self) -> None:
        """``/?uri=...`` gives the page."""
        asked = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        prefers = self.headers.get("accept-language", "").lower().startswith("ja")
        lang = (asked.get("lang") or ["ja" if prefers else "en"])[0]
        lang = lang if lang in WORDS else "en"
        uri = (asked.get("uri") or [""])[0]
        _, text = judged(uri, self.options.server, self.options.profile, lang)
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", "text/html; charset=utf-8")
        self.send_header("content-length", str(len(body)))
        self.send_header("x-content-type-options", "nosniff")
        self.send_header("referrer-policy", "no-referrer")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: a scan is nobody else's business."""


def main(arguments: list[str] | None = None) -> int:
    """One page, or a kiosk."""
    about = (__doc__ or "").split("\n", maxsplit=1)[0]
    options = argparse.ArgumentParser(description=about)
    options.add_argument("uri", nargs="?", help="the GS1 Digital Link that was scanned")
    options.add_argument("--server", required=True, help="address of the kizuna store")
    options.add_argument("--profile", required=True, help="by what measure")
    options.add_argument("--lang", choices=tuple(WORDS), default="en")
    options.add_argument("--out", type=Path, help="write the page here instead of to stdout")
    options.add_argument("--listen", type=int, metavar="PORT", help="be a kiosk on this machine")
    chosen = options.parse_args(arguments)
    if chosen.listen is not None:
        handler = type("Here", (Kiosk,), {"options": chosen})
        with ThreadingHTTPServer(("127.0.0.1", chosen.listen), handler) as kiosk:
            print(f"http://127.0.0.1:{kiosk.server_port}/?uri=", file=sys.stderr, flush=True)
            try:
                kiosk.serve_forever()
            except KeyboardInterrupt:
                return 130
    if not chosen.uri:
        options.error("name the URI that was scanned, or --listen PORT")
    code, text = judged(chosen.uri, chosen.server, chosen.profile, chosen.lang)
    if chosen.out is None:
        print(text)
    else:
        chosen.out.write_text(text, encoding="utf-8")
    return code


if __name__ == "__main__":
    raise SystemExit(main())

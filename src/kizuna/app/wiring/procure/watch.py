# SPDX-License-Identifier: Apache-2.0
"""Requests whose answer is kept true: judged again, and told of where it changed.

Keeps: 1. Only the operator keeps a request: it costs work for as long as it is kept. 2. A hook
hears of a change of the answer, never of every look at it; the answer is remembered before it is
told, so that a crash repeats no telling without end. 3. What cannot be judged now stays as it was.

Owner of mutable state: the folder ``procure`` of the store, one file a request.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from msgspec import Struct

from kizuna.app.wiring.folder import write_whole
from kizuna.app.wiring.procure.buying import check
from kizuna.app.wiring.procure.hook import Told, deliver, hooks
from kizuna.app.wiring.procure.request import Request, checked
from kizuna.model.errors import Absent, Malformed, Problem

if TYPE_CHECKING:
    from pathlib import Path

    from kizuna.app.wiring.workspace import Workspace

__all__ = ["Keeper", "forget", "keep", "kept", "renew"]

_log = logging.getLogger(__name__)

_MOST: Final = 200
_LINES: Final = 2_000
_EVERY: Final = 60.0
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class _Kept(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    request: Request
    profile: str
    answer: dict[str, Any]
    at: int


def keep(workspace: Workspace, request: Request, profile: str) -> dict[str, Any]:
    """Keep the answer to a request true.

    Raises:
        Malformed: ``procure.name``, ``procure.too-many-kept``, ``procure.*``.
    """
    name = request.request
    if not _NAME.fullmatch(name) or len(request.lines) > _LINES:
        raise Malformed(
            "procure.name",
            f"{name[:60]!r} cannot be kept",
            why="a kept request has a plain name and a bounded number of lines",
            hint="give it a name of letters and digits with `request:`",
            name=name[:60],
        )
    folder = _folder(workspace)
    if not (folder / f"{name}.json").exists() and len(list(folder.glob("*.json"))) >= _MOST:
        raise Malformed(
            "procure.too-many-kept",
            f"at most {_MOST} requests are kept",
            hint="forget one",
            limit=_MOST,
        )
    asked = checked(request)
    answer = _answer(workspace, asked, profile)
    _write(workspace, asked, profile, answer)
    return answer


def kept(workspace: Workspace) -> list[dict[str, Any]]:
    """The kept requests and how each stood when it was last judged."""
    return [
        {"request": one.request.request, "profile": one.profile, "at": one.at, **one.answer}
        for one in _all(workspace)
    ]


def forget(workspace: Workspace, name: str) -> None:
    """Keep it no more.

    Raises:
        Absent: ``procure.not-kept``.
    """
    file = _folder(workspace) / f"{name}.json"
    if not _NAME.fullmatch(name) or not file.is_file():
        raise Absent(
            "procure.not-kept",
            f"no request named {name[:60]!r} is kept",
            hint="`kizuna procure watched` lists them",
            name=name[:60],
        )
    file.unlink()


def renew(workspace: Workspace, *, tell: Callable[..., Told] = deliver) -> list[dict[str, Any]]:
    """Judge every kept request again; tell the hooks of those whose answer changed."""
    changes = []
    for one in _all(workspace):
        try:
            answer = _answer(workspace, one.request, one.profile)
        except Problem as problem:
            _log.warning("%s cannot be judged now: %s", one.request.request, problem.code)
            continue
        if answer == one.answer:
            continue
        _write(workspace, one.request, one.profile, answer)
        before = {line["line"]: line for line in one.answer["lines"]}
        event = {
            "request": one.request.request,
            "profile": one.profile,
            "at": workspace.clock(),
            "before": one.answer["decision"],
            "after": answer["decision"],
            "lines": [
                {**line, "before": before.get(line["line"], {}).get("decision", "")}
                for line in answer["lines"]
                if line != before.get(line["line"])
            ],
        }
        told = [tell(workspace, hook, event) for hook in hooks(workspace)]
        changes.append({**event, "told": [msgspec.to_builtins(t) for t in told]})
    return changes


class Keeper:
    """A server's thread that renews kept requests after each batch, and every minute."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._stop = workspace.store.on_registered(lambda _: self._woken.set())
        self._thread = threading.Thread(target=self._run, name="procure", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        self._stop()
        self._woken.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._woken.wait(timeout=_EVERY)
            self._woken.clear()
            if self._closing.is_set():
                return
            try:
                if _folder(self._workspace, make=False).is_dir():
                    renew(self._workspace)
            except Exception:  # noqa: BLE001 - the next batch is another chance
                _log.exception("kept requests could not be renewed")


def _answer(workspace: Workspace, request: Request, profile: str) -> dict[str, Any]:
    """What a hook is told of, and what is compared: decisions, without words."""
    told = check(workspace, request, workspace.profile(profile)).told("en")
    return {
        "decision": told["decision"],
        "lines": [
            {
                "line": line["line"],
                "part": line["part"],
                "decision": line["decision"],
                "choose": line["choose"],
                "suppliers": {s["supplier"]: s["decision"] for s in line["suppliers"]},
                "missing": sorted({f"{m['code']} {m['requirement']}" for m in line["missing"]}),
            }
            for line in told["lines"]
        ],
    }


def _all(workspace: Workspace) -> list[_Kept]:
    found = []
    for file in sorted(_folder(workspace, make=False).glob("*.json"))[:_MOST]:
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=_Kept))
        except (OSError, msgspec.MsgspecError):
            _log.warning("%s is no kept request; it is passed over", file.name)
    return found


def _write(workspace: Workspace, request: Request, profile: str, answer: dict[str, Any]) -> None:
    one = _Kept(request=request, profile=profile, answer=answer, at=workspace.clock())
    write_whole(_folder(workspace) / f"{request.request}.json", msgspec.json.encode(one))


def _folder(workspace: Workspace, *, make: bool = True) -> Path:
    folder = workspace.path / "procure"
    if make:
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder

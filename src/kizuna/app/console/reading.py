# SPDX-License-Identifier: Apache-2.0
"""What each page shows, as plain values: the page and its ``.json`` twin are made of the same.

Keeps: every question goes to the one workspace with the console's view; nothing is judged here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kizuna.app.console.chains import chain_of, short_name
from kizuna.app.console.folding import Chain, fold, without_shortcuts
from kizuna.app.wiring import showing
from kizuna.app.wiring.comparing.several_lists import judge_each, measures_of
from kizuna.app.wiring.criteria.mappings import mappings_of
from kizuna.app.wiring.criteria.through import reading_through
from kizuna.app.wiring.judging.answers import tree_json, verdict_json
from kizuna.app.wiring.judging.question import Question
from kizuna.app.wiring.naming import identifiers_in, names_in_tree, unnamed_in_tree
from kizuna.model.finding import Value
from kizuna.model.identifier import Digest, SubjectId

if TYPE_CHECKING:
    from kizuna.app.wiring.values import Explained
    from kizuna.app.wiring.workspace import Workspace
    from kizuna.record.store.view import View

__all__ = ["Reading"]

_PAGE = 100


@dataclass(frozen=True, slots=True)
class Reading:
    """Questions of one reader."""

    workspace: Workspace
    view: View | None

    def profiles(self, lang: str) -> list[dict[str, Any]]:
        """Names and titles for the reader's choice."""
        return [
            {"name": p.name, "title": _words(p.title, lang) or p.name}
            for p in self.workspace.profiles()
        ]

    def portfolio(self, verdict: str, lang: str) -> dict[str, Any]:
        """Watched subjects, the worst first; only those of one value when asked."""
        standings = self.workspace.portfolio(view=self.view)
        standings.sort(key=lambda s: (s.value, s.name or s.subject, s.profile))
        counts = {value.word: 0 for value in Value}
        for standing in standings:
            counts[standing.value.word] += 1
        wanted = verdict if verdict in counts else ""
        return {
            "at": self.workspace.clock(),
            "total": len(standings),
            "counts": counts,
            "verdict": wanted,
            "watches": [
                {
                    "subject": s.subject,
                    "name": s.name,
                    "profile": s.profile,
                    "through": list(s.through),
                    "verdict": s.value.word,
                    "findings": s.findings,
                    "next_change": s.next_change,
                    "at": s.at,
                }
                for s in standings
                if not wanted or s.value.word == wanted
            ],
            "profiles": self.profiles(lang),
        }

    def subject(
        self,
        subject: SubjectId,
        profile_name: str,
        at: int | None,
        lang: str,
        through: Sequence[str] = (),
    ) -> tuple[dict[str, Any], Chain]:
        """One subject: verdict, chain, what depends on it, what was said about it; ``through``: the
        mappings through which claims made under another catalog count.
        """
        chosen = showing.profile_named(self.workspace, profile_name)
        reading = reading_through(self.workspace.settings, chosen, through) if through else None
        profile = chosen if reading is None else reading.profile
        question = Question(subject, profile, at=at, view=self.view)
        explained = self.workspace.explain(question)
        found = explained.verdict
        if reading is not None:
            found = reading.judge(
                lambda by: (
                    explained.verdict
                    if by is profile
                    else self.workspace.verify(replace(question, profile=by))
                )
            )
        statements = showing.about(self.workspace, subject, _PAGE, self.view)
        issuers = {one["issuer"] for one in statements}
        names = showing.names(self.workspace, issuers, self.view) | self._names(explained)
        tree = tree_json(explained.tree, lang, profile=profile, names=names)
        verdict = verdict_json(found, lang, profile=profile, names=names)
        if reading is not None:
            verdict["through"] = reading.told(lang)
        whole, left_out = chain_of(tree)
        plain = without_shortcuts(whole)
        folded = fold(plain)
        return {
            "name": tree.get("name") or short_name(subject),
            "verdict": verdict,
            "profile_title": _words(profile.title, lang) or profile.name,
            "groups": _alike(verdict["findings"]),
            "names": names,
            "chain": {
                "shown": len(folded.boxes),
                "things": whole.things + left_out,
                "left_out": left_out,
                "shortcuts": len(whole.ties) - len(plain.ties),
                "ties": [
                    {"dependent": t.dependent, "dependency": t.dependency, "relation": t.relation}
                    for t in whole.ties
                ],
                "subjects": [
                    {"subject": b.key, "name": b.name, "element": b.element, "value": b.value.word}
                    for b in whole.boxes.values()
                ],
            },
            "dependents": self.dependents(subject),
            "statements": statements,
            "own": self.workspace.identity,
            "profiles": self.profiles(lang),
            "mappings": [m.name for m, _ in mappings_of(self.workspace.settings)],
            "through": list(through),
        }, folded

    def _names(self, explained: Explained) -> dict[str, str]:
        parties = identifiers_in(explained.verdict.findings) | unnamed_in_tree(explained.tree)
        return showing.names(self.workspace, parties, self.view) | names_in_tree(explained.tree)

    def dependents(self, of: str) -> list[dict[str, Any]]:
        """What depends on a subject or statement."""
        return [_dependent(d) for d in self.workspace.impact(of, view=self.view)]

    def explain(self, subject: SubjectId, profile_name: str, lang: str) -> dict[str, Any]:
        """The tree of reasons."""
        profile = showing.profile_named(self.workspace, profile_name)
        explained = self.workspace.explain(Question(subject, profile, view=self.view))
        names = self._names(explained)
        tree = tree_json(explained.tree, lang, profile=profile, names=names)
        return {
            "subject": subject,
            "name": tree.get("name") or short_name(subject),
            "profile": profile.name,
            "verdict": explained.verdict.value.word,
            "at": explained.verdict.at,
            "names": names,
            "tree": tree,
        }

    def compare(
        self,
        subject: SubjectId,
        profiles: Sequence[str],
        lists: Sequence[str] | None,
        lang: str,
        through: Sequence[str] = (),
    ) -> dict[str, Any]:
        """A verdict under each list and profile, and what makes them differ; ``through``: mappings
        through which claims made under another catalog count.
        """
        chosen = [showing.profile_named(self.workspace, name) for name in profiles]
        told, _ = judge_each(
            self.workspace,
            subject,
            measures_of(self.workspace, chosen, lists, each=True, through=through),
            lang,
            view=self.view,
        )
        names = showing.names(self.workspace, [subject], self.view)
        called = names.get(subject) or short_name(subject)
        return {**told, "name": called, "profile": profiles[0], "through": list(through)}

    def impact(self, of: str) -> dict[str, Any]:
        """Everything that depends on a subject or statement."""
        return {"of": of, "name": short_name(of), "affected": self.dependents(of)}

    def log(self, before: int | None, cursor: str) -> dict[str, Any]:
        """The checkpoint and one page of entries, the newest first."""
        head = showing.log_head(self.workspace)
        page, following = showing.latest_entries(self.workspace, before, _PAGE, self.view)
        spoken_of = {one[which] for one in page for which in ("issuer", "subject")}
        names = showing.names(self.workspace, spoken_of, self.view)
        return {**head, "entries": page, "names": names, "cursor": cursor, "following": following}

    def entry(self, digest: Digest) -> dict[str, Any]:
        """One statement with its proof."""
        return showing.entry(self.workspace, digest, self.view)

    def entry_at(self, index: int) -> dict[str, Any] | None:
        """The statement at one place of the log; None where nothing is to be seen there."""
        page, _ = showing.entries(self.workspace, index, 1, self.view)
        if not page or page[0]["index"] != index:
            return None
        return self.entry(Digest(bytes.fromhex(page[0]["digest"])))

    def lists(self) -> dict[str, Any]:
        """The lists that this store's verifier believes, with their members."""
        return {
            "lists": [self.workspace.lists.show(a.name) for a in self.workspace.anchors().lists]
        }

    def federation(self) -> dict[str, Any]:
        """Where the store stands in federations; for its operator also whom it follows."""
        from kizuna.app.wiring.federation.overview import (  # noqa: PLC0415 - seldom looked at
            overview,
        )

        return overview(self.workspace, everything=self.view is None)

    def all_profiles(self, lang: str) -> dict[str, Any]:
        """Every profile that can be named, with what it asks."""
        told: list[dict[str, Any]] = []
        for profile in self.workspace.profiles():
            document = profile.document()
            told.append(
                {
                    "name": profile.name,
                    "version": profile.version,
                    "digest": profile.digest,
                    "title": _words(profile.title, lang) or profile.name,
                    "about": _words(profile.about, lang),
                    "requirements": [
                        {
                            "id": r["id"],
                            "title": _words(r["title"], lang) or r["id"],
                            "claim": r["claim"],
                            "services": r["from"],
                            "level": r.get("level", "self-declared"),
                            "max_age": r.get("max_age"),
                            "condition": r.get("condition"),
                        }
                        for r in document["requirements"]
                    ],
                    "follow": [
                        {
                            "relation": f["relation"],
                            "category": f.get("category"),
                            "counts": f["counts"],
                            "share": f.get("share"),
                            "complete": f.get("complete", False),
                        }
                        for f in document.get("follow", ())
                    ],
                }
            )
        return {"profiles": told}


def _words(by_language: Mapping[str, str], lang: str) -> str:
    return by_language.get(lang) or by_language.get("en") or next(iter(by_language.values()), "")


def _alike(findings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Findings that decide, those of one kind together: the first, and whom else it is about."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for finding in findings:
        if not finding["counts"]:
            continue
        kind = (finding["code"], finding["requirement"])
        if kind in groups:
            groups[kind]["others"].append(finding["subject"])
        else:
            groups[kind] = {"first": finding, "others": []}
    return list(groups.values())


def _dependent(found: Mapping[str, Any]) -> dict[str, Any]:
    subject = str(found["subject"])
    return {
        **found,
        "subject": subject,
        "name": found.get("name") or short_name(subject),
        "relation": found.get("relation") or "",
    }

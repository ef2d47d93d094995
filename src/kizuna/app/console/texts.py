# SPDX-License-Identifier: Apache-2.0
"""The words of the pages, English and Japanese side by side.

Keeps: 1. Every key has both languages, and both use the same placeholders (a test holds them to
it). 2. What a page says about a verdict, a finding or a problem comes from the shared catalogue of
``wiring.messages``, so that commands and pages say the same; here stand only the words of the pages
themselves.
"""

from __future__ import annotations

from typing import Final

__all__ = ["TEXTS", "say"]

TEXTS: Final[dict[str, tuple[str, str]]] = {
    # frame
    "brand": ("kizuna", "kizuna"),
    "skip": ("Skip to content", "本文へ"),
    "nav.portfolio": ("Portfolio", "一覧"),
    "nav.log": ("Log", "ログ"),
    "nav.lists": ("Trust lists", "信頼リスト"),
    "nav.profiles": ("Profiles", "プロファイル"),
    "nav.label": ("Pages", "ページ"),
    "nav.language": ("日本語", "English"),
    "footer": (
        "Every page is also JSON. The API is described at",
        "どのページも JSON で読めます。API の説明:",
    ),
    "equal": ("The same from the command line", "コマンドで同じ結果を得る"),
    "json": ("This page as JSON", "このページの JSON"),
    "why": ("why?", "なぜ?"),
    "page.next": ("next page", "次のページ"),
    "page.first": ("first page", "最初のページ"),
    # values
    "value.trusted": ("trusted", "信頼できる"),
    "value.undetermined": ("undetermined", "判定できない"),
    "value.untrusted": ("untrusted", "信頼できない"),
    "value.explain.trusted": (
        "Every part that counts is shown to hold.",
        "結果を左右するすべての部分について、成り立つことが示されています。",
    ),
    "value.explain.undetermined": (
        "Nothing is known to be wrong, but something needed is missing, stale or unreadable.",
        "悪いと分かったものはありませんが、必要な証拠が足りないか、古いか、読めません。",
    ),
    "value.explain.untrusted": (
        "Something that counts is known to be wrong.",
        "結果を左右する部分に、悪いと分かったものがあります。",
    ),
    # elements, relations
    "element.organization": ("organisation", "組織"),
    "element.person": ("person", "人"),
    "element.component": ("component", "構成部品"),
    "element.data": ("data", "データ"),
    "element.procedure": ("procedure", "手続き"),
    "element.system": ("system", "システム"),
    "element.service": ("service", "サービス"),
    "relation.part-of": ("part", "部品"),
    "relation.supplied-by": ("supplied by", "供給元"),
    "relation.made-by": ("made by", "製造元"),
    "relation.performed-by": ("performed by", "実施者"),
    "relation.runs-on": ("runs on", "稼働環境"),
    "relation.operated-by": ("operated by", "運用者"),
    "relation.measured-by": ("measured by", "計測者"),
    "relation.derived-from": ("derived from", "由来"),
    "relation.acts-for": ("agent", "代理人"),
    "relation.instance-of": ("instance of", "型式"),
    "relation.same-as": ("same as", "同一"),
    "relation.replaces": ("replaces", "後継"),
    # kinds
    "kind.certificate": ("certificate", "証明書"),
    "kind.capability": ("capability", "能力情報"),
    "kind.link": ("link", "紐付け情報"),
    "kind.evidence": ("evidence", "エビデンス"),
    "kind.verdict": ("verdict", "判定"),
    "kind.notice": ("notice", "通知"),
    "kind.waiver": ("waiver", "許容"),
    "kind.membership": ("membership", "リスト登録"),
    "kind.norm": ("norm", "規範"),
    "kind.status": ("status", "状態変更"),
    # portfolio
    "portfolio.title": ("Portfolio", "一覧"),
    "portfolio.lead": (
        "What {name} watches, and how it stands at {at}.",
        "{name} が見守る対象と、{at} 時点の判定です。",
    ),
    "portfolio.watched": ("watched", "見守り中"),
    "portfolio.subject": ("Subject", "対象"),
    "portfolio.verdict": ("Verdict", "判定"),
    "portfolio.profile": ("Profile", "プロファイル"),
    "portfolio.findings": ("Findings", "指摘"),
    "portfolio.next-change": ("Time alone may change it", "時間の経過で変わりうる時刻"),
    "portfolio.never": ("–", "–"),
    "portfolio.empty": ("Nothing is watched yet", "まだ何も見守っていません"),
    "portfolio.empty.next": (
        "Import a bill of materials, judge its product, and watch it. These commands do it:",
        "部品表を取り込み、製品を判定し、見守りに加えましょう。次のコマンドでできます。",
    ),
    "portfolio.csv": ("this table for a spreadsheet (CSV)", "この表を表計算用に保存 (CSV)"),
    "portfolio.none-so": ("None of them is {value}.", "「{value}」のものはありません。"),
    "ask.title": ("Judge something", "判定する"),
    "ask.subject": (
        "Identifier (PURL, DID, GS1 Digital Link …)",
        "識別子 (PURL, DID, GS1 Digital Link …)",
    ),
    "ask.profile": ("Profile", "プロファイル"),
    "ask.at": ("As of (empty: now)", "時点 (空欄なら現在)"),
    "ask.go": ("Judge", "判定"),
    # subject
    "subject.judged": (
        "under the profile {profile}, as of {at}",
        "プロファイル {profile}、{at} 時点",
    ),
    "subject.coverage": (
        "The chain has {subjects} subjects: {proven} fully proven, {known} known, {silent} silent.",
        (
            "チェーンの対象は {subjects} 件。"
            "うち {proven} 件は要件をすべて満たし、"
            "{known} 件は情報があり、{silent} 件は何も公表していません。"
        ),
    ),
    "subject.findings": ("What keeps it from being trusted", "信頼できると言えない理由"),
    "subject.findings.aside": (
        "Shown, without effect on this verdict ({count})",
        "参考 (この判定には影響しません、{count} 件)",
    ),
    "subject.findings.none": (
        "Nothing. Every requirement that counts is met.",
        "ありません。結果を左右する要件はすべて満たされています。",
    ),
    "subject.findings.kinds": ("{count} more reasons", "ほか {count} 種類の理由"),
    "finding.alike": ("the same of {count} more", "同じ理由のもの、ほか {count} 件"),
    "subject.chain": ("The chain", "チェーン"),
    "subject.chain.title": (
        "What {name} depends on, from left to right",
        "{name} が依存するもの (左から右へ)",
    ),
    "subject.chain.folded": (
        "{shown} boxes stand for {things} things. Like things are folded together.",
        "{things} 件を {shown} 個の箱にまとめて表示しています。",
    ),
    "subject.chain.more": (
        "{count} more lie deeper or wider than is drawn here.",
        "このほか {count} 件は、この図には描かれていません。",
    ),
    "subject.chain.shortcuts": (
        "{count} ties that also run through a part between are not drawn.",
        "間の部品を通る {count} 本の直接のつながりは、図では省いています。",
    ),
    "subject.chain.alone": (
        "No ties are known: nobody who may say so has named its parts, maker or supplier.",
        (
            "つながりは知られていません。"
            "部品・製造元・供給元を述べる権限のある者が、まだ述べていません。"
        ),
    ),
    "subject.dependents": ("What depends on it", "これに依存するもの"),
    "subject.dependents.none": (
        "Nothing that is known here.",
        "ここで知られているものはありません。",
    ),
    "subject.facts": ("What the verdict rests on", "判定の根拠"),
    "subject.at": ("about the instant", "対象時点"),
    "subject.known": ("known: log and size", "既知の範囲 (ログと大きさ)"),
    "subject.lists": ("trust lists", "信頼リスト"),
    "subject.view": ("reader's view", "閲覧の範囲"),
    "subject.engine": ("engine", "判定エンジン"),
    "subject.quorum": ("witnesses required", "必要な証人数"),
    "subject.profile-digest": ("profile digest", "プロファイルのダイジェスト"),
    "subject.next-change": ("time alone may change it", "時間の経過で変わりうる時刻"),
    "subject.outcome": ("exit code", "終了コード"),
    "subject.none": ("none", "なし"),
    "subject.statements": ("What is said about it", "これについての記述"),
    "subject.statements.none": ("No statement names it.", "これに触れた記述はありません。"),
    "finding.turn": ("whose turn: {turn}", "対応する者: {turn}"),
    "finding.requirement": ("requirement {requirement}", "要件 {requirement}"),
    "chain.folded": ("{count} like things", "同様のもの {count} 件"),
    "chain.held-down": ("held down by what it depends on", "依存先のために下がっています"),
    "legend.part": ("part", "部品"),
    "legend.party": ("maker, supplier, operator", "製造元・供給元・運用者"),
    "legend.other": ("other relations", "その他の関係"),
    "legend.bad": ("the reason travels along it", "理由が伝わる経路"),
    # explanation, impact
    "explain.title": ("Why {name} is {value}", "{name} が「{value}」である理由"),
    "explain.lead": (
        "Each line follows from the lines below it. The worst come first.",
        "各行の判定は、その下の行から導かれます。悪いものが先に並びます。",
    ),
    "explain.again": ("explained above", "上で説明済み"),
    "explain.left-out": ("{count} more below", "ほか {count} 件"),
    "explain.open": ("the whole explanation", "説明の全体"),
    "impact.title": ("What depends on {name}", "{name} に依存するもの"),
    "impact.lead": (
        "If this falls, the standing of these is touched.",
        "これが信頼を失うと、次のものの判定に影響します。",
    ),
    "impact.open": ("everything that depends on it", "依存するものすべて"),
    # log
    "log.title": ("Evidence log", "エビデンスログ"),
    "log.lead": (
        (
            "Every statement that was registered, in order. "
            "Nothing can be changed or taken out without it showing."
        ),
        "登録された記述が順に並びます。書き換えや抜き取りは必ず露見します。",
    ),
    "log.checkpoint": ("Signed checkpoint", "署名付きチェックポイント"),
    "log.origin": ("origin", "ログの名前"),
    "log.size": ("entries", "件数"),
    "log.root": ("root", "ルート"),
    "log.entries": ("Entries", "登録された記述"),
    "log.index": ("No.", "番号"),
    "log.kind": ("Kind", "種類"),
    "log.subject": ("Subject", "対象"),
    "log.issuer": ("Issuer", "発行者"),
    "log.registered": ("Registered", "登録時刻"),
    "log.empty": ("The log is empty", "ログは空です"),
    "log.empty.next": ("Register something first:", "まず何かを登録しましょう。"),
    "log.download": ("download the checkpoint", "チェックポイントを保存"),
    "entry.title": ("Entry {index}", "登録 {index}"),
    "entry.digest": ("statement digest", "記述のダイジェスト"),
    "entry.issuer": ("issuer", "発行者"),
    "entry.subject": ("subject", "対象"),
    "entry.media-type": ("media type", "メディアタイプ"),
    "entry.issued": ("says it was issued", "発行時刻 (申告)"),
    "entry.registered": ("registered", "登録時刻"),
    "entry.key": ("key", "鍵"),
    "entry.payload": ("What it says", "内容"),
    "entry.payload.none": (
        "A document of the field, or one that stands beside the log.",
        "分野の文書、またはログの外に置かれた文書です。",
    ),
    "entry.proof": ("Proof that it is in the log", "ログにあることの証明"),
    "entry.proof.lead": (
        "The path from this entry to the root of the checkpoint of size {size}: {count} hashes.",
        (
            "この登録から、"
            "件数 {size} のチェックポイントのルートまでの経路 ({count} 個のハッシュ) です。"
        ),
    ),
    "entry.get.statement": ("signed statement (COSE)", "署名付き記述 (COSE)"),
    "entry.get.receipt": ("receipt (COSE)", "受領証 (COSE)"),
    "entry.get.transparent": ("statement with receipt", "受領証付きの記述"),
    "entry.erased": (
        "its document was erased; the proof remains",
        "文書は消去済み。証明は残ります",
    ),
    # lists, profiles
    "lists.title": ("Trust lists", "信頼リスト"),
    "lists.lead": (
        (
            "Who may say what, about whose names. "
            "Authority comes only from a list that the verifier accepts."
        ),
        (
            "誰が、誰の名前について、何を述べてよいか。"
            "権限は、検証者が受け入れたリストからだけ生じます。"
        ),
    ),
    "lists.operator": ("operator", "運営者"),
    "lists.member": ("Member", "メンバー"),
    "lists.state": ("State", "状態"),
    "lists.services": ("May speak as", "役割"),
    "lists.since": ("Since", "開始"),
    "lists.until": ("Until", "終了"),
    "lists.granted": ("granted", "有効"),
    "lists.suspended": ("suspended", "停止中"),
    "lists.withdrawn": ("withdrawn", "取消済み"),
    "lists.empty": ("No list is accepted", "受け入れたリストがありません"),
    "lists.empty.next": (
        "Without a list nobody has authority, and every verdict stays undetermined.",
        "リストがなければ誰にも権限がなく、すべて「判定できない」のままになります。",
    ),
    "lists.members.none": ("Nobody is on this list yet.", "このリストにはまだ誰もいません。"),
    "profiles.title": ("Profiles", "プロファイル"),
    "profiles.lead": (
        "What must hold, by whose word, how fresh, and how each part counts.",
        "何が、誰の言葉で、どれだけ新しく示されるべきか。各部分をどう数えるか。",
    ),
    "profiles.version": ("version", "版"),
    "profiles.digest": ("digest", "ダイジェスト"),
    "profiles.requirement": ("Requirement", "要件"),
    "profiles.claim": ("Shown by", "示すもの"),
    "profiles.services": ("From", "述べる者"),
    "profiles.level": ("Level", "水準"),
    "profiles.fresh": ("Not older than", "鮮度"),
    "profiles.follow": ("Relations followed", "たどる関係"),
    "profiles.counts.blocking": ("every one must hold", "すべて成り立つこと"),
    "profiles.counts.share": ("{share} must hold", "{share} 以上が成り立つこと"),
    "profiles.counts.informative": ("shown only", "参考"),
    "profiles.complete": ("must be complete", "網羅されていること"),
    "profiles.any": ("any", "問わない"),
    "profiles.empty": ("No profile is registered", "プロファイルがありません"),
    "level.self-declared": ("self-declared", "自己宣言"),
    "level.second-party": ("second party", "取引先確認"),
    "level.third-party": ("third party", "第三者確認"),
    # problems
    "problem.title": ("That did not work", "うまくいきませんでした"),
    "problem.next": ("What to do next", "次にすること"),
    "problem.home": ("back to the portfolio", "一覧へ戻る"),
    "problem.code": ("code", "コード"),
}

_INDEX: Final = {"en": 0, "ja": 1}


class _Values(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return "–"


def say(key: str, lang: str, **values: object) -> str:
    """The words for ``key``; the last part of the key itself where a name is not ours."""
    pair = TEXTS.get(key)
    if pair is None:
        return key.rpartition(".")[2]
    return pair[_INDEX.get(lang, 0)].format_map(_Values(values))

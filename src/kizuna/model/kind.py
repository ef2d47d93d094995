# SPDX-License-Identifier: Apache-2.0
"""The ten kinds of statement, and the media types under which they travel.

Keeps: a kind is named by the media type of the payload and by nothing else; a document of the
field carried as it is (CycloneDX, in-toto, ...) is ``evidence``.
"""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Kind", "kind_of", "media_type_of"]

_PREFIX = "application/vnd.kizuna."
_SUFFIX = "+json"


class Kind(StrEnum):
    """What sort of thing a statement says."""

    CERTIFICATE = "certificate"  # 証明書: a body confirms that a subject conforms
    CAPABILITY = "capability"  # 能力情報: what a subject is, has or can do
    LINK = "link"  # 紐付け情報: how subjects depend on each other
    EVIDENCE = "evidence"  # an observation, a test, a document of the field
    VERDICT = "verdict"  # a judgement, published
    NOTICE = "notice"  # something happened
    WAIVER = "waiver"  # a risk accepted by name
    MEMBERSHIP = "membership"  # an entry of a trust list
    NORM = "norm"  # something required, permitted or agreed
    STATUS = "status"  # suspends, revokes, replaces, marks


def media_type_of(kind: Kind) -> str:
    """The media type under which our own payload of ``kind`` travels."""
    return f"{_PREFIX}{kind.value}{_SUFFIX}"


_BY_MEDIA_TYPE = {media_type_of(k): k for k in Kind}


def kind_of(media_type: str) -> Kind:
    """The kind that a media type carries; documents of the field are ``evidence``."""
    return _BY_MEDIA_TYPE.get(media_type, Kind.EVIDENCE)

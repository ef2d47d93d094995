# SPDX-License-Identifier: Apache-2.0
"""The API's document: what the framework generates, with the fast routes described by hand.

Keeps: every public address stands in the document once (a test compares it with the routes);
problems are described for every operation.
Standard: OpenAPI 3.1.
"""

from __future__ import annotations

from typing import Any, Final

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin, YamlRenderPlugin
from litestar.openapi.spec import Contact, License, Tag

from kizuna import __version__

__all__ = ["complete", "configuration"]

_DESCRIPTION: Final = """\
Signed statements in, verdicts with reasons out.

**Writing** authenticates itself: a statement is accepted by its signature and by this store's
registration policy, and sending it twice changes nothing. **Reading** what is restricted needs a
request signed under RFC 9421 (`@method`, `@authority`, `@path`, `@query`, `content-digest`;
`created`, `expires` within five minutes, `nonce`, `keyid`, `tag="kizuna-read"`); what may not be
read is answered like what is not there.

Every failure is a problem (RFC 9457, `application/problem+json`) with a stable `code`; under
`/entries` and `/.well-known/scitt-keys` it is RFC 9290 in CBOR, as SCRAPI asks. Words are in
English or Japanese by `Accept-Language` or `?lang=`.
"""

_PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "code", "message"],
    "properties": {
        "type": {"type": "string", "description": "Address of the code's description."},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string", "examples": ["envelope.signature-wrong"]},
        "message": {"type": "string"},
        "why": {"type": "string"},
        "hint": {"type": "string", "description": "What to do next."},
        "about": {"type": "object"},
        "findings": {"type": "array", "items": {}},
    },
}
_REFUSED: Final[dict[str, Any]] = {
    "description": "A problem (RFC 9457).",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_CONCISE: Final[dict[str, Any]] = {
    "description": "A problem (RFC 9290).",
    "content": {"application/concise-problem-details+cbor": {"schema": {}}},
}
_BYTES: Final[dict[str, Any]] = {"type": "string", "contentMediaType": "application/octet-stream"}


def configuration() -> OpenAPIConfig:
    """Title, words and the two places where the document is read."""
    return OpenAPIConfig(
        title="kizuna",
        version=__version__,
        summary="Trust in supply chains and IoT systems, made checkable.",
        description=_DESCRIPTION,
        license=License(name="Apache-2.0", identifier="Apache-2.0"),
        contact=Contact(name="The operator of this server"),
        tags=[
            Tag(name="statements", description="Register and fetch signed statements."),
            Tag(name="judgement", description="Verdict, explanation, impact, proof bundle."),
            Tag(name="log", description="Checkpoint, tiles, entries, proofs."),
            Tag(name="SCRAPI", description="What every SCITT client speaks."),
            Tag(name="lists", description="Who may say what."),
            Tag(name="federation", description="This store as an entity of a federation."),
            Tag(name="profiles", description="What must hold."),
            Tag(name="watches", description="Verdicts kept true, and the stream of changes."),
            Tag(name="devices", description="Evidence in, epochs and challenges out, standings."),
            Tag(name="server", description="Health, readiness, metrics, bounds."),
        ],
        path="/schema",
        render_plugins=[_Json(), _Yaml()],
    )


class _Json(JsonRenderPlugin):
    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:  # noqa: ANN401 - as the framework has it
        return super().render(request, complete(openapi_schema))


class _Yaml(YamlRenderPlugin):
    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:  # noqa: ANN401 - as the framework has it
        return super().render(request, complete(openapi_schema))


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The generated document with the fast routes and the problems added."""
    whole = dict(document)
    whole["paths"] = dict(sorted({**document["paths"], **_by_hand()}.items()))
    components = dict(whole.get("components", {}))
    components["schemas"] = {**components.get("schemas", {}), "Problem": _PROBLEM}
    components["responses"] = {"Problem": _REFUSED, "ConciseProblem": _CONCISE}
    whole["components"] = components
    for path, item in whole["paths"].items():
        cbor = path.startswith(("/entries", "/.well-known/scitt-keys"))
        name = "ConciseProblem" if cbor else "Problem"
        for operation in item.values():
            if isinstance(operation, dict) and "responses" in operation:
                responses = {
                    status: response
                    for status, response in operation["responses"].items()
                    if not str(status).startswith("4")
                }
                responses["4XX"] = {"$ref": f"#/components/responses/{name}"}
                responses["5XX"] = {"$ref": f"#/components/responses/{name}"}
                operation["responses"] = responses
    return whole


def _device_message(operation: str, summary: str, description: str) -> dict[str, Any]:
    return {
        "post": {
            "tags": ["devices"],
            "operationId": operation,
            "summary": summary,
            "description": description,
            "requestBody": {
                "required": True,
                "content": {"application/cbor": {"schema": _BYTES}},
            },
            "responses": {
                "200": {
                    "description": "Taken in, and answered.",
                    "content": {"application/cbor": {"schema": _BYTES}},
                }
            },
        }
    }


def _devices() -> dict[str, Any]:
    """The addresses at which devices and gateways speak."""
    subject = {
        "name": "subject",
        "in": "query",
        "required": True,
        "description": "The device that shall answer.",
        "schema": {"type": "string", "maxLength": 2048},
    }
    return {
        "/api/devices/evidence": _device_message(
            "HandInEvidence",
            "Evidence of devices, each answered",
            "`[[subject, evidence], ...]`, at most 4,096 pieces; the answer is "
            "`[[status, standing, reason], ...]` in the same order. With `true` as third part of a "
            "piece (at most 64) its answer has a fourth: the result as a signed EAR (CWT), empty "
            "where the device's key vouches for nothing.",
        ),
        "/api/devices/bundle": _device_message(
            "HandInBundle",
            "A gateway's signed bundle of an epoch",
            "`[gateway, COSE_Sign1]`; the answer lists the places of the leaves to open.",
        ),
        "/api/devices/opening": _device_message(
            "OpenLeaves",
            "The leaves that were asked for",
            "`[gateway, [[place, leaf, [hash, ...], evidence], ...]]`; the answer is an empty "
            "text, or what does not hold.",
        ),
        "/api/devices/endorsement": _device_message(
            "AskForChallenge",
            "What a chip's maker says of it, answered with a challenge that only this chip opens",
            "What `kizuna device endorse` writes: the chip's certificate path and the key that is "
            "said to live in it. Good for a few minutes, and answered once.",
        ),
        "/api/devices/activation": _device_message(
            "AnswerChallenge",
            "The chip's answer: proof that the key lives in it",
            "What `kizuna device activate` writes; the answer names the activation with which the "
            "device is enrolled.",
        ),
        "/api/devices/epoch": {
            "get": {
                "tags": ["devices"],
                "operationId": "ReadEpoch",
                "summary": "The signed epoch whose nonce evidence must hold now",
                "responses": {
                    "200": {
                        "description": "`{1: number, 2: nonce, 3: from, 4: until}`, signed.",
                        "content": {"application/cose": {"schema": _BYTES}},
                    }
                },
            }
        },
        "/api/devices/challenge": {
            "get": {
                "tags": ["devices"],
                "operationId": "ReadChallenge",
                "summary": "A nonce for one device, good for two minutes",
                "parameters": [subject],
                "responses": {
                    "200": {
                        "description": "32 bytes.",
                        "content": {"application/octet-stream": {"schema": _BYTES}},
                    }
                },
            }
        },
    }


def _by_hand() -> dict[str, Any]:
    return {
        **_devices(),
        "/api/statements": {
            "post": {
                "tags": ["statements"],
                "operationId": "RegisterStatements",
                "summary": "Register signed statements, one answer each",
                "description": (
                    "One statement (`application/cose`), a CBOR sequence of statements "
                    "(`application/cbor-seq`, RFC 8742), or a CBOR map with arrays of byte strings "
                    "`statements` and `documents` (`application/cbor`): documents are those that "
                    "hash envelopes in the batch refer to. A statement that is refused refuses "
                    "itself only. Repeating a batch is harmless."
                ),
                "parameters": [
                    {
                        "name": "receipts",
                        "in": "query",
                        "description": "Put the receipt (COSE) of each statement in its answer.",
                        "schema": {"type": "boolean", "default": False},
                    }
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/cose": {"schema": _BYTES},
                        "application/cbor-seq": {"schema": _BYTES},
                        "application/cbor": {"schema": _BYTES},
                    },
                },
                "responses": {
                    "201": {
                        "description": "At least one statement is new and durable.",
                        "content": {"application/json": {"schema": _batch_answer()}},
                    },
                    "200": {
                        "description": "Nothing new: all were registered before, or refused.",
                        "content": {"application/json": {"schema": _batch_answer()}},
                    },
                },
            }
        },
        "/entries": {
            "post": {
                "tags": ["SCRAPI"],
                "operationId": "RegisterEntry",
                "summary": "Register one signed statement (SCRAPI)",
                "requestBody": {
                    "required": True,
                    "content": {"application/cose": {"schema": _BYTES}},
                },
                "responses": {
                    "201": {
                        "description": "Registered: the receipt (RFC 9942).",
                        "headers": {"Location": {"schema": {"type": "string"}}},
                        "content": {"application/cose": {"schema": _BYTES}},
                    }
                },
            }
        },
        "/api/events": {
            "get": {
                "tags": ["watches"],
                "operationId": "Events",
                "summary": "Changes of watched verdicts as they happen (server-sent events)",
                "description": (
                    "Each event has an `id`; a client that was away sends the last one as "
                    "`Last-Event-ID` and gets what it missed. `event: gap` says that the server no "
                    "longer has all of it: read /api/watches again. `event: bye` ends the stream: "
                    "connect again."
                ),
                "parameters": [
                    {
                        "name": "subject",
                        "in": "query",
                        "description": "Only changes of this subject.",
                        "schema": {"type": "string", "maxLength": 2048},
                    },
                    {
                        "name": "after",
                        "in": "query",
                        "description": "As `Last-Event-ID`, where headers cannot be set.",
                        "schema": {"type": "string"},
                    },
                    {"name": "Last-Event-ID", "in": "header", "schema": {"type": "string"}},
                ],
                "responses": {
                    "200": {
                        "description": "The stream.",
                        "content": {"text/event-stream": {"schema": {"type": "string"}}},
                    }
                },
            }
        },
    }


def _batch_answer() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["registered", "duplicates", "refused", "results"],
        "properties": {
            "registered": {"type": "integer"},
            "duplicates": {"type": "integer"},
            "refused": {"type": "integer"},
            "results": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "digest": {"type": ["string", "null"], "pattern": "^[0-9a-f]{64}$"},
                        "index": {"type": "integer"},
                        "registered_at": {"type": "integer"},
                        "duplicate": {"type": "boolean"},
                        "receipt": {"type": "string", "contentEncoding": "base64"},
                        "code": {"type": "string", "description": "Why it was refused."},
                        "message": {"type": "string"},
                        "hint": {"type": "string"},
                        "status": {"type": "integer"},
                    },
                },
            },
        },
    }

# SPDX-License-Identifier: Apache-2.0
"""What the HTTP door needs of the console: routes to add, and a page for a problem.

Keeps: the two doors stay strangers. The console is handed in as a value of this shape; neither
imports the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from litestar.types import ControllerRouterHandler

from kizuna.model.errors import Problem

__all__ = ["Pages"]


class Pages(Protocol):
    """Pages for people, served beside the API."""

    @property
    def policy(self) -> bytes:
        """The content security policy of its pages."""
        ...

    @property
    def routes(self) -> Sequence[ControllerRouterHandler]:
        """Route handlers to add to the application."""
        ...

    def problem(self, scope: Mapping[str, Any], problem: Problem, lang: str) -> bytes:
        """A whole page that says what went wrong and what to do next."""
        ...

# SPDX-License-Identifier: Apache-2.0
"""``kizuna device``: a device's identity, its evidence, its standing; one file a topic."""

from __future__ import annotations

import typer

from kizuna.app.cli.device import (
    agent,
    appraise,
    chip,
    enrol,
    firmware,
    fleet,
    handover,
    life,
    listen,
    quote,
    reference,
    simulate,
    status,
)

__all__ = ["hang"]


def hang(app: typer.Typer) -> None:
    """Hang the noun's commands into the tree, topic by topic."""
    agent.hang(app)
    appraise.hang(app)
    reference.hang(app)
    enrol.hang(app)
    life.hang(app)
    handover.hang(app)
    status.hang(app)
    fleet.hang(app)
    simulate.hang(app)
    listen.hang(app)
    firmware.hang(app)
    quote.hang(app)
    chip.hang(app)

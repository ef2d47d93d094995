# SPDX-License-Identifier: Apache-2.0
"""``python -m kizuna`` is the command ``kizuna``."""

from kizuna.app.cli.run import run

if __name__ == "__main__":
    run()

# SPDX-License-Identifier: Apache-2.0
"""``python -m kizuna`` is the command ``kizuna``."""

from kizuna.app.cli import main

if __name__ == "__main__":
    main()

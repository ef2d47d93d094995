# SPDX-License-Identifier: Apache-2.0
"""The real peers that tests talk to: ``python tools/peers.py`` installs what is missing.

Programs come from Debian's packages where this is root on a machine with ``apt-get``; the TPM
library is built from ``requirements-tpm.lock``. What cannot be had is named, and the tests that
need it are skipped visibly. With CI=true nothing may be missing: then this fails.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

PROGRAMS = {
    "swtpm": ("swtpm", "the TPM tests"),
    "swtpm_setup": ("swtpm-tools", "the TPM tests"),
    "tpm2_checkquote": ("tpm2-tools", "the comparison of quotes with tpm2-tools"),
    "softhsm2-util": ("softhsm2", "the PKCS#11 tests"),
    "mosquitto": ("mosquitto", "the figures over MQTT"),
}
"""Program, its package, and what goes without it."""

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Any of these shows the pages as people see them; the package is the first."""

TO_BUILD = {"gcc": "gcc", "pkg-config": "pkg-config"}
LIBRARY = ("tss2-esys", "libtss2-dev")


def found(program: str) -> bool:
    """Whether a program is there; servers may lie outside a user's path."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is not None


def has_library() -> bool:
    """Whether the headers of the TPM library are there."""
    if not found("pkg-config"):
        return False
    asked = subprocess.run(["pkg-config", "--exists", LIBRARY[0]], check=False)
    return asked.returncode == 0


def missing_packages() -> list[str]:
    """Debian packages that would bring what is not here."""
    wanted = [package for program, (package, _) in PROGRAMS.items() if not found(program)]
    if importlib.util.find_spec("tpm2_pytss") is None:
        wanted += [package for program, package in TO_BUILD.items() if not found(program)]
        if not has_library():
            wanted.append(LIBRARY[1])
    return wanted


def install(packages: list[str]) -> None:
    """Install Debian packages where that may be done; what fails is told later."""
    if not packages or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print("installing " + " ".join(packages) + " ...", file=sys.stderr)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    retry = ["-o", "Acquire::Retries=5"]
    for words in (["update"], ["install", "--yes", "--no-install-recommends", *packages]):
        subprocess.run(
            ["apt-get", "--quiet", "--quiet", *retry, *words],
            env=quiet,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            check=False,
        )


def build() -> None:
    """Build the TPM library into this environment."""
    if importlib.util.find_spec("tpm2_pytss") is not None or not has_library():
        return
    print("building tpm2-pytss (about a minute) ...", file=sys.stderr)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    locked = ["--require-hashes", "--requirement", str(ROOT / "requirements-tpm.lock")]
    subprocess.run([*pip, *locked], check=False)
    importlib.invalidate_caches()


def main() -> int:
    install(missing_packages())
    if not any(map(found, BROWSERS)):  # by itself: a large package that fails takes no other along
        install([BROWSERS[0]])
    build()
    without = [f"{p} (package {k}): {what}" for p, (k, what) in PROGRAMS.items() if not found(p)]
    if importlib.util.find_spec("tpm2_pytss") is None:
        without.append("tpm2-pytss (needs gcc, pkg-config, libtss2-dev): the TPM tests")
    if importlib.util.find_spec("pkcs11") is None:
        without.append("python-pkcs11: the PKCS#11 tests")
    if not any(map(found, BROWSERS)):
        without.append(f"a browser (package {BROWSERS[0]}): the pages as people see them")
    for line in without:
        print(f"not here, so skipped: {line}", file=sys.stderr)
    return 1 if without and os.environ.get("CI") == "true" else 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0
"""Fixtures that every test may use."""

import fcntl
import importlib.util
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import HealthCheck, settings

os.environ["KIZUNA_SEEN"] = "off"  # nothing of whoever runs the tests is written to

# What passed once passes again: a change is judged by its own examples, not by the day's luck, and
# on a busy machine as on an idle one. ``--fuzz`` (``make fuzz``) looks for new ones.
settings.register_profile(
    "steady",
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("steady")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fuzz", type=int, default=1, help="so many times the examples")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--fuzz N`` only properties run, each with N times its examples."""
    times = config.getoption("--fuzz")
    if times == 1:
        return
    kept: list[pytest.Item] = []
    more: set[object] = set()  # one function stands behind all its parameters
    for item in items:
        test = getattr(item, "obj", None)
        test = getattr(test, "__func__", test)
        if test is None or not getattr(test, "is_hypothesis_test", False):
            continue
        kept.append(item)
        if test not in more:
            more.add(test)
            own = getattr(test, "_hypothesis_internal_use_settings", None) or settings()
            test._hypothesis_internal_use_settings = settings(
                own, max_examples=own.max_examples * times, derandomize=False
            )
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = kept


@pytest.fixture(scope="session")
def two_ports() -> Iterator[Callable[[], int]]:
    """Gives a port that is free, as is the next one; no other test is given them meanwhile.

    For servers that cannot be handed a socket. They lie below those that systems give out for
    connections, so that nobody comes by one by chance between now and the server's start.
    """
    folder = Path(tempfile.gettempdir()) / "kizuna-tests-ports"
    folder.mkdir(exist_ok=True)
    with ExitStack() as held:

        def given() -> int:
            for port in random.SystemRandom().sample(range(20_000, 32_000, 2), 2_000):
                with ExitStack() as trying, suppress(OSError):
                    lock = trying.enter_context((folder / str(port)).open("w"))
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    with socket.socket() as one, socket.socket() as two:
                        one.bind(("127.0.0.1", port))
                        two.bind(("127.0.0.1", port + 1))
                    held.push(trying.pop_all())
                    return port
            raise RuntimeError("no two ports are free")

        yield given


def _absent(words: str) -> NoReturn:
    """Something a test needs is not here: that fails in CI and is said elsewhere."""
    if os.environ.get("CI") == "true":
        pytest.fail(words)
    pytest.skip(words)


@pytest.fixture(scope="session")
def absent() -> Callable[[str], NoReturn]:
    """Ends a test whose peer is not here: as failed in CI, as skipped elsewhere."""
    return _absent


@pytest.fixture(scope="session")
def peers() -> Callable[..., None]:
    """Asks for programs, and for Python modules where a name begins with ``python:``."""

    def needed(*names: str) -> None:
        if missing := [name for name in names if not _present(name)]:
            _absent(f"{', '.join(missing)} not installed: `make peers` installs it where it may")

    return needed


def _present(name: str) -> bool:
    kind, _, module = name.rpartition(":")
    if kind == "python":
        return importlib.util.find_spec(module) is not None
    return shutil.which(name) is not None


@pytest.fixture(scope="session")
def chip_needs(peers: Callable[..., None]) -> Callable[..., None]:
    """Asks for the TPM library and programs: what is missing fails in CI, and skips elsewhere."""
    return partial(peers, "python:tpm2_pytss")


@pytest.fixture(scope="session")
def served_chip(two_ports: Callable[[], int]) -> Callable[[Path], AbstractContextManager[int]]:
    """Serves the software TPM of a folder; gives its port once it answers."""

    @contextmanager
    def served(folder: Path) -> Iterator[int]:
        port = two_ports()
        process = subprocess.Popen(
            f"swtpm socket --tpm2 --tpmstate dir={folder}"
            f" --server type=tcp,port={port},bindaddr=127.0.0.1"
            f" --ctrl type=tcp,port={port + 1},bindaddr=127.0.0.1"
            " --flags not-need-init,startup-clear".split(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            until = time.monotonic() + 60
            while True:
                if process.poll() is not None or time.monotonic() > until:
                    pytest.fail(f"swtpm does not start: {process.returncode}")
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port + 1)) == 0:
                        break
                time.sleep(0.02)
            yield port
        finally:
            process.kill()
            process.wait()

    return served


@pytest.fixture(scope="session")
def interpreter_with() -> Callable[[str], Path]:
    """The interpreter of an environment with an independent implementation, by its requirement.

    Environments are made once, in the user's cache: never in the project, and by one process at a
    time. In CI one that cannot be made is a failure.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    base = (Path(home) if home else Path.home() / ".cache") / "kizuna-tests"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        base = Path(tempfile.gettempdir()) / f"kizuna-tests-{os.getuid()}"
        base.mkdir(mode=0o700, exist_ok=True)

    def made(wanted: str) -> Path:
        folder = base / f"oracle-{sha256(wanted.encode()).hexdigest()[:8]}"
        python, ready = folder / "bin" / "python", folder / "ready"
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists():
                venv.create(folder, with_pip=True, clear=True)
                done = subprocess.run(
                    [str(python), "-m", "pip", "install", "--quiet", "--retries", "9", wanted],
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=600,
                )
                if done.returncode != 0:
                    words = f"the independent {wanted} cannot be installed: {done.stderr[-300:]}"
                    _absent(words)
                ready.touch()
        return python

    return made


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of published vectors and real inputs; in CI its absence is a failure."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("KIZUNA_SHARED", root / ".." / "shared")).resolve()
    if not (folder / "vectors").is_dir():
        _absent(f"published vectors are missing: set KIZUNA_SHARED (looked in {folder})")
    return folder

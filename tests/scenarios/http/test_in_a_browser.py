# SPDX-License-Identifier: Apache-2.0
"""A questionnaire answered in a real browser, by keyboard alone, with scripts turned off.

The browser is driven by its own protocol: keys in, what is shown out. Where there is none, that
fails in CI and is said elsewhere.
"""

import base64
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from urllib.parse import urlencode

import httpx
import pytest
from websockets.sync.client import connect

from kizuna.app.wiring.assess.asking import questionnaire_of
from kizuna.app.wiring.assess.plan import given_answers
from kizuna.model.identifier import Element, SubjectId
from kizuna.proof.assurance import State

TOKEN = "token-of-this-server"  # noqa: S105 - of a server that ends with the test
PUMP = "pkg:generic/fuji/pump@4.2"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120
"""Seconds that a busy machine may need for anything; what waits goes on as soon as it can."""


class Tab:
    """One page of the browser."""

    def __init__(self, connection) -> None:
        self._connection = connection
        self._number = 0
        self.complaints = []
        """What the browser refused or could not load."""

    def ask(self, method, **parameters):
        """One command and its answer."""
        self._number += 1
        words = {"id": self._number, "method": method, "params": parameters}
        self._connection.send(json.dumps(words))
        while True:
            told = json.loads(self._connection.recv(timeout=PATIENCE))
            if told.get("method") == "Log.entryAdded":
                self.complaints.append(told["params"]["entry"]["text"])
            if told.get("id") == self._number:
                assert "error" not in told, told
                return told.get("result", {})

    def go(self, url):
        """Open an address and wait until its page is there."""
        self.ask("Page.navigate", url=url)
        self.settle()

    def settle(self, until="true"):
        """Wait until the page is whole and an expression holds."""
        end = time.monotonic() + PATIENCE
        while not self.see(f"document.readyState === 'complete' && !!({until})"):
            assert time.monotonic() < end, f"{until}: {self.see('document.body.innerText')}"
            time.sleep(0.02)

    def see(self, expression):
        """What an expression over the page gives, or None while the page changes."""
        told = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return told.get("result", {}).get("value")

    def key(self, name, code, text=""):
        """Press a key."""
        what = {"key": name, "code": name, "windowsVirtualKeyCode": code}
        self.ask("Input.dispatchKeyEvent", type="keyDown", text=text, **what)
        self.ask("Input.dispatchKeyEvent", type="keyUp", **what)

    def tab_to(self, selector, most=400):
        """Go with the tabulator to what a selector names."""
        for _ in range(most):
            if self.see(f"document.activeElement.matches({json.dumps(selector)})"):
                return
            self.key("Tab", 9)
        msg = f"the tabulator does not reach {selector}"
        raise AssertionError(msg)

    def write(self, text):
        """Type into what has the focus."""
        self.ask("Input.insertText", text=text)

    def enter(self):
        """Press Enter."""
        self.key("Enter", 13, "\r")

    def space(self):
        """Press the space bar."""
        self.key(" ", 32, " ")

    def down(self):
        """Press the arrow down."""
        self.key("ArrowDown", 40)

    def choose_files(self, selector, paths):
        """What a person does in the dialogue for files."""
        root = self.ask("DOM.getDocument")["root"]["nodeId"]
        node = self.ask("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.ask("DOM.setFileInputFiles", nodeId=node, files=[str(p) for p in paths])

    def picture(self, path):
        """The page as a picture, for a person to look at."""
        told = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def browser(program, folder):
    """A browser with one tab, in which pages run no script."""
    profile = folder / "profile"
    process = subprocess.Popen(
        [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--remote-debugging-port=0",
            f"--user-data-dir={profile}",
            "about:blank",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port, _ = _port(process, profile / "DevToolsActivePort")
        with connect(_first_page(port), max_size=64 << 20, open_timeout=PATIENCE) as connection:
            tab = Tab(connection)
            for domain in ("Page", "DOM", "Log", "Runtime"):
                tab.ask(f"{domain}.enable")
            tab.ask("Emulation.setScriptExecutionDisabled", value=True)
            yield tab
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _port(process, file):
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        if file.is_file() and len(lines := file.read_text().split("\n")) > 1:
            return lines[0], lines[1]
        time.sleep(0.05)
    pytest.fail(f"the browser does not start: {process.poll()}")


def _first_page(port):
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pages = httpx.get(f"http://127.0.0.1:{port}/json", timeout=PATIENCE).json()
        found = next((p for p in pages if p["type"] == "page"), None)
        if found:
            return found["webSocketDebuggerUrl"]
        time.sleep(0.05)
    pytest.fail("the browser shows no page")


@pytest.fixture
def asked(workspace):
    profile = workspace.profile("software-product")
    return questionnaire_of(workspace, SubjectId(PUMP), [profile], element=Element.COMPONENT)


@pytest.fixture
def page(tmp_path, absent):
    program = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if program is None:
        absent("no Chromium here (`make peers`): the pages are not tried in a real browser")
    folder = tmp_path / "browser"
    folder.mkdir()
    with browser(program, folder) as tab:
        yield tab


def place(asked, requirement):
    return next(n for n, q in enumerate(asked.questions) if q.id == requirement)


def test_a_questionnaire_is_answered_by_keyboard_without_script(
    opened, page, workspace, asked, tmp_path
):
    evidence = tmp_path / "policy.txt"
    evidence.write_text("what we do")
    where = {"subject": PUMP, "profile": "software-product", "element": "component"}
    page.go(f"{opened.url}/answer?{urlencode(where)}")
    page.settle("document.querySelector('#token')")
    page.tab_to("#token")
    page.write(TOKEN)
    page.enter()
    page.settle("document.querySelector('form.questions')")
    done, planned = (f"q{place(asked, r)}" for r in ("secure-update", "secure-defaults"))
    # one stop of the tabulator for the answers of a question; the arrows choose among them
    page.tab_to(f"[name={done}-state]")
    page.down()
    assert page.see(f"document.querySelector('[name={done}-state]:checked').value") == "implemented"
    page.tab_to(f"[name={done}-note]")
    page.write("signed images <b>only</b>")
    page.choose_files(f"[name={done}-file]", [evidence])
    page.tab_to(f"[name={planned}-state]")
    page.down()
    page.down()
    page.tab_to(f"[name={planned}-owner]")
    page.write("Sato")
    # what does not belong to the answer is put away
    assert not page.see(f"document.querySelector('[name={planned}-reason]').offsetParent")
    page.see(f"document.querySelector('[name={planned}-due]').value = '2027-03-31'")
    before = workspace.store.head()
    page.tab_to("button[value=review]")
    page.enter()
    page.settle("document.querySelector('#secret')")
    shown = page.see("document.querySelector('main').innerText")
    assert "signed images <b>only</b>" in shown
    assert "policy.txt" in shown
    assert workspace.store.head() == before
    page.tab_to("#secret")
    page.write(TOKEN)
    page.enter()
    page.settle("location.pathname === '/answer/sent'")
    given, by = given_answers(workspace, asked)
    assert by == workspace.identity
    assert {a.requirement: a.state for a in given.answers} == {
        "secure-update": State.IMPLEMENTED,
        "secure-defaults": State.PLANNED,
    }
    (answer,) = (a for a in given.answers if a.requirement == "secure-update")
    assert [f.name for f in answer.files] == ["policy.txt"]
    assert not page.complaints  # nothing was refused by the content security policy


def test_a_form_of_another_site_is_refused(opened, page, workspace, tmp_path):
    page.go(f"{opened.url}/sign-in")
    page.tab_to("#token")
    page.write(TOKEN)
    page.enter()
    page.settle("location.pathname === '/'")
    foreign = tmp_path / "foreign.html"
    foreign.write_text(
        f'<form method="post" action="{opened.url}/answer/send"><input name="subject" '
        f'value="{PUMP}"><input name="profile" value="software-product"><button>go</button></form>'
    )
    before = workspace.store.head()
    page.go(foreign.as_uri())
    page.tab_to("button")
    page.enter()
    page.settle("location.protocol === 'http:'")
    assert workspace.store.head() == before
    assert not (workspace.path / "drafts").exists()
    # and the page of answers still knows who is signed in
    page.go(f"{opened.url}/answer")
    page.settle("document.querySelector('fieldset.choice')")


def test_no_page_is_wider_than_a_small_telephone(opened, page, workspace):
    page.ask(
        "Emulation.setDeviceMetricsOverride",
        width=360, height=720, deviceScaleFactor=1, mobile=False,
    )  # fmt: skip
    page.go(f"{opened.url}/sign-in")
    page.tab_to("#token")
    page.write(TOKEN)
    page.enter()
    page.settle("location.pathname === '/'")
    about = urlencode({"id": workspace.identity, "profile": "software-product"})
    for lang in ("en", "ja"):
        for path in (
            *("/", "/fleet", "/log", "/lists", "/federation", "/profiles", "/catalogs"),
            *("/processes", "/risk", "/assess", "/procure", "/answer", "/entry?index=0"),
            *(f"/{name}?{about}" for name in ("subject", "explain", "compare", "impact")),
        ):
            page.go(f"{opened.url}{path}{'&' if '?' in path else '?'}lang={lang}")
            assert page.see(f"document.documentElement.lang === '{lang}'"), path
            assert page.see("document.documentElement.scrollWidth <= 360"), (lang, path)

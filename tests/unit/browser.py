"""A real browser for tests, without a window: Debian's chromium and chromium-driver."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

SWITCH = "SMRESTORE_TEST_BROWSER"
READY_S = 60


@contextmanager
def open_browser() -> Iterator["Browser"]:
    """Yield a browser; without one the test is skipped, or fails if the switch is `required`."""
    programs = shutil.which("chromium"), shutil.which("chromedriver")
    if None in programs:
        reason = "needs Debian's chromium and chromium-driver"
        if os.environ.get(SWITCH) == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1366,768"):
        options.add_argument(argument)
    # What a page loads from elsewhere then fails, and is an error on the console.
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(programs[1]))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """A page and what a reader does with it."""

    def __init__(self, driver: object) -> None:
        self.driver = driver

    def open(self, page: Path) -> None:
        """Open a page and wait until it is drawn."""
        self.driver.get(page.resolve().as_uri())
        self.wait(lambda: self.run("return document.body.dataset.ready") == "yes")

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition holds."""
        end = time.monotonic() + READY_S
        while not condition():
            assert time.monotonic() < end, self.console()
            time.sleep(0.05)

    def run(self, script: str, *arguments: object) -> object:
        """Run JavaScript and return its result."""
        return self.driver.execute_script(script, *arguments)

    def text(self, name: str) -> str:
        """Return the text of an element by its id."""
        return self.run("return document.getElementById(arguments[0]).innerText", name)

    def set(self, name: str, value: object) -> None:
        """Give a control a value, as its user does."""
        self.run(
            "const control = document.getElementById(arguments[0]); control.value = arguments[1];"
            "control.dispatchEvent(new Event('input')); control.dispatchEvent(new Event('change'))",
            name,
            str(value),
        )

    def press(self, key: str) -> None:
        """Press a key outside of all controls."""
        from selenium.webdriver.common.action_chains import ActionChains
        from selenium.webdriver.common.keys import Keys

        ActionChains(self.driver).send_keys(getattr(Keys, key, key)).perform()

    def pixels(self, number: int = 0, within: str = "panels") -> list[int]:
        """Return the colors of a picture."""
        return self.run(
            "const canvas = document.querySelectorAll(`#${arguments[1]} canvas`)[arguments[0]];"
            "const pen = canvas.getContext('2d');"
            "return Array.from(pen.getImageData(0, 0, canvas.width, canvas.height).data)",
            number,
            within,
        )

    def console(self) -> list[dict]:
        """Return what the page complained about since the last call."""
        log = self.driver.get_log("browser")
        return [entry for entry in log if entry["level"] in ("SEVERE", "WARNING")]

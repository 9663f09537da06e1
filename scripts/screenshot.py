"""Take the README's picture of the page: a running server, a real browser, a fake camera and microphone.

python -m scripts.screenshot docs/page.png
"""

import argparse
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Error, Playwright, sync_playwright

from scripts.fake_devices import chromium, person, portrait

WIDTH, HEIGHT = 1280, 900
FIRST_RESULT_MS = 15_000


def take_screenshot(
    playwright: Playwright,
    url: str,
    path: Path,
    *,
    clip: Path | None = None,
    seconds: float = 45,
    dark: bool = False,
    width: int = WIDTH,
) -> None:
    """Press Start, let the stream run, and photograph the whole page at twice the resolution.

    Args:
        playwright: The driver.
        url: The page of a running server.
        path: Where the PNG goes.
        clip: Video with sound to show; None shows a public-domain portrait with a made voice.
        seconds: How long the stream runs before.
        dark: The dark colours.
        width: Of the window, in CSS pixels.
    """
    with tempfile.TemporaryDirectory() as folder:
        shown = person(Path(folder), clip) if clip else portrait(Path(folder))
        with chromium(playwright, shown) as browser:
            page = browser.new_page(
                viewport={"width": width, "height": HEIGHT},
                device_scale_factor=2,
                color_scheme="dark" if dark else "light",
            )
            page.goto(url)
            page.get_by_role("button", name="Start").click()
            page.locator("#fused .bars .leading").first.wait_for(timeout=FIRST_RESULT_MS)
            page.mouse.move(0, 0)  # off whatever lies where the button was
            page.wait_for_timeout(seconds * 1000)
            page.screenshot(path=path, full_page=True)


def main() -> None:
    """Read the command line and take the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="the PNG to write")
    parser.add_argument("--url", default="http://localhost:8000/", help="the page of a running server")
    parser.add_argument("--clip", type=Path, help="video with sound to show instead of the portrait")
    parser.add_argument("--seconds", type=float, default=45, help="how long the stream runs before")
    parser.add_argument("--dark", action="store_true", help="the dark colours")
    parser.add_argument("--width", type=int, default=WIDTH, help="of the window, in CSS pixels")
    wish = parser.parse_args()
    with sync_playwright() as playwright:
        try:
            take_screenshot(
                playwright,
                wish.url,
                wish.path,
                clip=wish.clip,
                seconds=wish.seconds,
                dark=wish.dark,
                width=wish.width,
            )
        except Error as fault:
            sys.exit(f"No picture of {wish.url}: {fault.message.partition(chr(10))[0]}")


if __name__ == "__main__":
    main()

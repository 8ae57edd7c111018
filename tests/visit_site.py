"""Open every page of the site in a browser without a screen, and say what a visitor would complain about.

Light and dark, as wide as a desk and as a phone: what the console says, requests that fail or leave, links to
nowhere, pictures that are missing or say nothing, pages wider than the screen, and text that is hardly seen.
"""

import argparse
import functools
import http.server
import sys
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

from browsers import chromium
from playwright.sync_api import TimeoutError as NotThere

WIDTHS, SCHEMES = (1280, 390), ("light", "dark")

LINKS = """() => ({
    links: [...document.querySelectorAll("a[href]")].map(a => a.href),
    anchors: [...document.querySelectorAll("[id]")].map(each => each.id),
})"""

LOOKS = """() => {
    const wrong = [];
    const shown = each => each.checkVisibility({visibilityProperty: true});
    const root = document.documentElement;
    const [width, screen] = [root.scrollWidth, root.clientWidth];
    if (width > screen) wrong.push(`is ${width} wide on a screen of ${screen}`);
    for (const image of [...document.images].filter(shown)) {
        if (!image.naturalWidth) wrong.push(`has no picture ${image.src}`);
        if (!image.alt) wrong.push(`says nothing of the picture ${image.src}`);
    }
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const mixed = colours => {
        canvas.fillStyle = "white";
        canvas.fillRect(0, 0, 1, 1);
        for (canvas.fillStyle of colours) canvas.fillRect(0, 0, 1, 1);
        const [r, g, b] = [...canvas.getImageData(0, 0, 1, 1).data].map(
            each => each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const faint = new Set();
    while (texts.nextNode()) {
        const holder = texts.currentNode.parentElement;
        const text = texts.currentNode.data.trim();
        if (!text || !shown(holder) || ["SCRIPT", "STYLE"].includes(holder.tagName)) continue;
        const style = getComputedStyle(holder), behind = [];
        for (let each = holder; each; each = each.parentElement)
            behind.unshift(getComputedStyle(each).backgroundColor);
        const [low, high] = [mixed(behind), mixed([...behind, style.color])].sort((a, b) => a - b);
        const large = parseFloat(style.fontSize) >= 24;
        const contrast = (high + 0.05) / (low + 0.05);
        if (contrast < (large ? 3 : 4.5)) faint.add(`${style.color}: ${text.slice(0, 20)}`);
    }
    if (faint.size) wrong.push(`has faint text, such as ${[...faint].slice(0, 3).join("; ")}`);
    return wrong;
}"""


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of a folder, without a word."""

    def log_message(self, *_):
        pass


@contextmanager
def served(folder):
    """Serve a folder on a port that is free; give its address."""
    with http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=folder)
    ) as server:
        server.handle_error = lambda *_: None  # of a page that is left before it is there
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def visit(browser, folder, pictures=None):
    """Return a sentence for each thing that is wrong with the pages in a folder."""
    wrong, links, anchors = {}, {}, {}
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.html"))
    names = [name for name in names if name != "index.html"]  # which leads on to another
    with served(folder) as address:
        context = browser.new_context()
        page = context.new_page()
        current = ""

        def note(text, name=None):
            wrong.setdefault(f"{name or current} {text}".replace(address, ""))

        def note_message(message):
            if message.type in ("error", "warning"):
                note(f"says on the console: {message.text}")

        def note_request(request):
            if not request.url.startswith((address, "data:")):
                note(f"asks others: {request.url}")

        def note_response(response):
            if response.status >= 400:
                note(f"asks for {response.url}: {response.status}")

        page.on("console", note_message)
        page.on("pageerror", lambda error: note(f"has a script that fails: {error}"))
        page.on("request", note_request)
        page.on("response", note_response)
        for current in names:
            page.goto(address + current)
            found = page.evaluate(LINKS)
            links[current], anchors[current] = found["links"], set(found["anchors"])
            for scheme in SCHEMES:
                page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
                for width in WIDTHS:
                    page.set_viewport_size({"width": width, "height": 900})
                    for text in page.evaluate(LOOKS):
                        note(f"({scheme}, {width}) {text}")
                    if pictures:
                        name = f"{current.removesuffix('.html').replace('/', '-')}-{scheme}-{width}.png"
                        page.screenshot(path=pictures / name, full_page=True)
        for name, targets in links.items():
            for target in set(targets):
                if target.startswith(address):
                    path, _, anchor = target.removeprefix(address).partition("#")
                    path = path.partition("?")[0]
                    if not (folder / path).is_file():
                        note(f"links to {path}, which is not there", name)
                    elif anchor and path in anchors and anchor not in anchors[path]:
                        note(f"links to {path}#{anchor}, which is not there", name)
        context.close()
    return list(wrong)


def use(browser, folder):
    """Return what does not work of what visitors do: search, choose light or dark, open a phone's menu."""
    wrong = []
    with served(folder) as address:
        page = browser.new_page(color_scheme="light")
        page.goto(address)
        page.wait_for_url("**/docs/index.html")
        page.locator("input[name=q]:visible").first.fill("bandwidth")
        page.keyboard.press("Enter")
        try:
            page.wait_for_selector("#search-results li a", timeout=10_000)
        except NotThere:
            wrong.append("a search finds nothing")
        colours = set()
        for _ in range(3):  # as the system says, light, dark
            page.locator(".theme-toggle:visible").first.click()
            colours.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        if len(colours) < 2:
            wrong.append("the button for light and dark does nothing")
        page.set_viewport_size({"width": 390, "height": 900})
        page.locator("label[for=__navigation]:visible").first.click()
        if not page.locator(".sidebar-tree a").first.is_visible():
            wrong.append("a phone has no menu")
        page.close()
    return wrong


FAULTS = {
    "says on the console": "<script>console.error('oh')</script>",
    "has a script that fails": "<script>throw Error('oh')</script>",
    "asks for none.css: 404": "<link rel=stylesheet href=none.css>",
    "asks others": "<img alt=x src=http://127.0.0.2:9/x.png>",
    "has no picture": "<img alt=x src=none.png>",
    "says nothing of the picture": "<img src=none.png>",
    "wide on a screen": "<p style=width:2000px>x</p>",
    "faint text": "<p style=color:#999>x</p>",
    "links to none.html,": "<a href=none.html>x</a>",
    "links to page.html#none,": "<a href=#none>x</a>",
}


def check_that_faults_are_seen(browser):
    """Visit a page with every fault there is, so that silence about others says something."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "page.html").write_text(
            "<!doctype html><link rel=icon href=data:,>" + "".join(FAULTS.values())
        )
        seen = visit(browser, Path(folder))
    missed = [fault for fault in FAULTS if not any(fault in each for each in seen)]
    assert not missed, f"not seen: {missed}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pictures", type=Path, help="a folder for pictures of all pages")
    given = parser.parse_args()
    if given.pictures:
        given.pictures.mkdir(parents=True, exist_ok=True)
    with chromium() as browser:
        check_that_faults_are_seen(browser)
        complaints = visit(browser, given.folder, given.pictures) + use(browser, given.folder)
    for each in complaints:
        print(each)
    print(f"{len(complaints)} complaints")
    sys.exit(bool(complaints))

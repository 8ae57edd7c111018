"""The page of `kdexent report` in Chromium: what is drawn, pointed at, filtered and reached by keyboard."""

import json
import shutil
from contextlib import contextmanager

import pytest
from sample_results import DOCUMENTS, bench, written
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from kdexent.cli.report.page import report

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
BROWSERS = "chromium", "chromium-browser", "google-chrome"
DESK, PHONE = 1280, 390
# Texts of a chart that lie beyond its edges, and pairs of them that lie on each other.
TEXTS = """
    const box = each => each.getBoundingClientRect();
    const beyond = (p, q) =>
      p.left < q.left - 1 || p.right > q.right + 1 || p.top < q.top - 1 || p.bottom > q.bottom + 1;
    const apart = (p, q) =>
      p.right <= q.left + 1 || q.right <= p.left + 1 || p.bottom <= q.top + 3 || q.bottom <= p.top + 3;
    return [...document.querySelectorAll(".chart svg[role=img]")].flatMap(svg => {
      const texts = [...svg.querySelectorAll("text")];
      const over = (text, i) => texts.slice(i + 1).filter(other => !apart(box(text), box(other)))
        .map(other => `${text.textContent} on ${other.textContent}`);
      const out = texts.filter(text => beyond(box(text), box(svg)));
      return [...out.map(text => text.textContent), ...texts.flatMap(over)];
    });
"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A page of all kinds of results, and one of a benchmark with a failure."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "bad.json").write_text(json.dumps(bench(problem="it was wrong")))
    made = {"all": written(folder, *DOCUMENTS), "bad": [folder / "bad.json"]}
    for name, paths in made.items():
        assert report(paths, folder / f"{name}.html") == 0
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program, driver = next(filter(None, map(shutil.which, BROWSERS)), None), shutil.which("chromedriver")
    assert program and driver, "these tests need Chromium: apt-get install chromium chromium-driver"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for each in (*OPTIONS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    found = webdriver.Chrome(options=options, service=Service(driver))
    yield found
    found.quit()


@contextmanager
def shown(browser, page, width=DESK, scheme="light", scripts=True):
    """Open a page; assert at the end that nothing was complained of, and nothing asked for but the page."""
    device = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", device)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
    browser.get("about:blank")
    for kind in ("browser", "performance"):
        browser.get_log(kind)
    browser.get(page.as_uri())
    yield browser
    assert browser.get_log("browser") == []
    events = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url for url in asked if not url.startswith("data:")] == [page.as_uri()]


def all_of(browser, selector):
    return browser.find_elements(By.CSS_SELECTOR, selector)


def one(browser, selector):
    return browser.find_element(By.CSS_SELECTOR, selector)


def marks(browser, kind=""):
    return len(all_of(browser, f".chart svg[role=img] .mark{kind}"))


def tip(browser):
    """Return the lines of the tooltip, none where it is hidden."""
    return [each.text for each in all_of(browser, "#tip p") if each.is_displayed()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [DESK, PHONE])
@pytest.mark.parametrize("name", ["all", "bad"])
def test_charts_are_drawn_and_fit(browser, pages, name, width, scheme):
    with shown(browser, pages[name], width, scheme):
        data = json.loads(one(browser, "#data").get_attribute("textContent"))
        images = all_of(browser, ".chart svg[role=img]")
        assert len(images) == len(data["charts"]) == len(all_of(browser, ".chart"))
        assert all(image.get_attribute("aria-label") and image.size["height"] > 100 for image in images)
        drawn = sum(len(chart.get("marks", [])) for chart in data["charts"])
        drawn += sum(len(row["marks"]) for chart in data["charts"] for row in chart.get("rows", []))
        assert marks(browser) == drawn == len(all_of(browser, ".points button"))
        assert len(all_of(browser, ".chart .front")) and len(all_of(browser, ".chart .rule"))
        assert len(all_of(browser, ".ring.failed")) == 2 * (name == "bad")
        root = "document.documentElement"
        assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")
        assert browser.execute_script(TEXTS) == []
        paper = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (paper == "rgb(255, 255, 255)") == (scheme == "light")


def test_filters_hide_points_and_rows(browser, pages):
    with shown(browser, pages["all"]):
        every, rows = marks(browser), len(all_of(browser, "tbody tr:not([hidden])"))
        assert marks(browser, ".of-grid") > 0
        one(browser, "input[value=grid]").click()
        assert marks(browser, ".of-grid") == 0 and 0 < marks(browser) < every
        assert not all_of(browser, "tr[data-method=grid]:not([hidden])")
        assert all_of(browser, "tr[data-method=cells]:not([hidden])")
        told = one(browser, "#shown").text
        assert told == f"{len(all_of(browser, 'tbody tr:not([hidden])'))} of {rows} rows shown"
        Select(one(browser, "#kernel")).select_by_visible_text("laplace")
        kernels = {
            each.get_attribute("data-kernel") for each in all_of(browser, "tr[data-kernel]:not([hidden])")
        }
        assert kernels == {"laplace"}
        # What none of is left of is not shown at all, and what has no kernel stays.
        titles = [each.text for each in all_of(browser, "figure h3") if each.is_displayed()]
        assert not any(title.startswith("Strategies") for title in titles)
        assert any(title.startswith("Beside others") for title in titles)
        one(browser, "button[type=reset]").click()
        browser.execute_async_script("setTimeout(arguments[0], 50)")
        assert marks(browser) == every and len(all_of(browser, "tbody tr:not([hidden])")) == rows


def test_filters_are_reached_by_keyboard(browser, pages):
    with shown(browser, pages["all"]):
        reached = []
        for _ in range(12):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            reached.append(browser.switch_to.active_element.get_attribute("id"))
        assert "kernel" in reached and sum(str(each).startswith("method-") for each in reached) == 6
        browser.execute_script("document.querySelector('input[value=grid]').focus()")
        ActionChains(browser).send_keys(Keys.SPACE).perform()
        assert marks(browser, ".of-grid") == 0


def test_points_are_told_of_by_keyboard(browser, pages):
    with shown(browser, pages["all"]):
        browser.execute_script("document.querySelector('#filters button').focus()")
        for _ in range(3):
            ActionChains(browser).send_keys(Keys.TAB).perform()
            if browser.switch_to.active_element.get_attribute("aria-label"):
                break
        first = tip(browser)
        assert first[0] == "direct" and any(line.startswith("gradient error: 1.0e-15") for line in first)
        assert browser.switch_to.active_element.get_attribute("aria-label") == "; ".join(first)
        ActionChains(browser).send_keys(Keys.ARROW_RIGHT).perform()
        second = tip(browser)
        assert second and second != first
        ActionChains(browser).send_keys(Keys.END).perform()
        assert tip(browser)[0] == "grid 1"
        ActionChains(browser).send_keys(Keys.HOME).perform()
        assert tip(browser) == first
        ActionChains(browser).send_keys(Keys.ESCAPE).perform()
        assert tip(browser) == []
        # One stop a chart: the next is its table.
        ActionChains(browser).send_keys(Keys.TAB).perform()
        assert browser.switch_to.active_element.tag_name == "summary"


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_points_are_told_of_where_they_are_pointed_at(browser, pages, width):
    with shown(browser, pages["all"], width):
        mark = all_of(browser, ".chart .mark.of-grid")[0]
        browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", mark)
        ActionChains(browser).move_to_element(mark).perform()
        lines = tip(browser)
        assert lines[0].startswith("grid ") and any(line.startswith("time: ") for line in lines)
        box = one(browser, "#tip").rect
        assert box["x"] >= 0 and box["x"] + box["width"] <= width
        ActionChains(browser).move_to_element(one(browser, "h1")).perform()
        assert tip(browser) == []


def test_tables_open(browser, pages):
    with shown(browser, pages["all"], PHONE):
        tables = all_of(browser, "table")
        # Open where there is no chart of them.
        assert [table.is_displayed() for table in tables].count(True) == 1
        for each in all_of(browser, "details:not([open]) summary"):
            each.click()
        assert all(table.is_displayed() for table in tables)
        root = "document.documentElement"
        assert browser.execute_script(f"return {root}.scrollWidth <= {root}.clientWidth")


def test_without_scripts_there_are_the_tables(browser, pages):
    with shown(browser, pages["all"], scripts=False):
        assert all(table.is_displayed() for table in all_of(browser, "table"))
        assert not one(browser, "#filters").is_displayed() and not all_of(browser, ".chart svg")
        assert "need JavaScript" in one(browser, "noscript").text


def test_no_other_script_runs(browser, pages, tmp_path):
    page = tmp_path / "report.html"
    text = pages["all"].read_text().replace("<main>", "<main><script>document.title = 'another'</script>")
    page.write_text(text)
    with pytest.raises(AssertionError, match="The action has been blocked"), shown(browser, page):
        assert browser.title.startswith("kdexent report")

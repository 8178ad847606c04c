"""The console for everybody: by keyboard, on a phone, in the dark, with less motion, by link."""

import json

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from .conftest import Page
from .test_trial import PIXEL

ROUTES = [
    "#/models",
    "#/model/bands",
    "#/model/bands/try",
    "#/model/classes/try",
    "#/model/fragile/log",
    "#/model/bands/task",
    "#/load",
    "#/load/bands",
    "#/system",
]


def press(page, *keys):
    ActionChains(page.browser).send_keys(*keys).perform()


@pytest.mark.parametrize(
    ("route", "title"),
    [
        ("/console", "Models"), ("#/models", "Models"), ("#/nothing", "Models"), ("#/model/bands", "bands"), ("#/model/%3Cb%3E", "<b>"),
        ("#/load", "Load a model"), ("#/load/bands", "Load bands anew"), ("#/system", "System"),
    ],
)  # fmt: skip
def test_every_page_has_a_link_of_its_own(pool, browser, route, title):
    page = Page(browser, pool, route)
    page.says("h1", title)
    page.says("#status", "pool 7")


def test_back_and_forward_go_from_page_to_page(page):
    page.one('[data-id="bands"] a').click()
    page.says("h1", "bands")
    page.browser.back()
    page.says("h1", "Models")
    page.browser.forward()
    page.says("h1", "bands")


def test_the_keyboard_suffices_to_go_anywhere(page):
    page.one('[data-id="bands"]')
    press(page, "/")
    page.one("#go input")
    press(page, "bands try", Keys.ENTER)
    page.says("h1", "bands")
    page.one("#question")
    assert page.all("dialog[open]") == []
    ActionChains(page.browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    page.one("#go input")
    press(page, "system", Keys.ARROW_DOWN, Keys.ENTER)
    page.says("h1", "System")
    press(page, "?")
    page.says("#help", "go to a model or a page")
    press(page, Keys.ESCAPE)
    page.gone("#help")


def test_keys_that_are_typed_are_typed(pool, browser):
    page = Page(browser, pool, "#/load")
    page.one("#task-file").send_keys("a/b?")
    assert page.one("#task-file").get_attribute("value") == "a/b?"
    assert page.all("dialog[open]") == []


def test_the_keyboard_suffices_to_ask_a_model(pool, browser):
    page = Page(browser, pool, "#/model/bands/try")
    page.one("canvas")
    page.all('#question input[type="radio"]')[0].send_keys(Keys.ARROW_RIGHT)
    page.write("#input-0", json.dumps([{"image": PIXEL}]))
    page.one("#input-0").send_keys(Keys.CONTROL, Keys.ENTER)
    page.one(".bars")
    page.all(".output input")[0].send_keys(Keys.ARROW_RIGHT)
    page.one("table.answer-table")


@pytest.mark.parametrize("route", ROUTES)
def test_everything_that_can_be_used_has_a_name(pool, browser, route):
    page = Page(browser, pool, route)
    page.says("#status", "pool 7")
    page.one("h1")
    nameless = """
        const named = (e) => e.ariaLabel || e.textContent.trim() || e.title || e.ariaLabelledByElements?.length || e.labels?.length;
        const used = [...document.querySelectorAll("a, button, input, select, textarea, summary, [role=img], [role=radiogroup]")];
        return used.filter((e) => !named(e)).map((e) => e.outerHTML);
    """
    assert browser.execute_script(nameless) == []
    ids = browser.execute_script("return [...document.querySelectorAll('[id]')].map((e) => e.id)")
    assert len(ids) == len(set(ids))


def test_it_fits_a_phone(pool, browser):
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True})
    page = Page(browser, pool, "#/model/bands/try")
    page.draw([(0.25, 0.2), (0.25, 0.8)])
    page.predict()
    page.one(".bars li.best")
    width = "return document.documentElement.scrollWidth"
    assert browser.execute_script(width) == 360
    for route in ROUTES:
        page.go(route)
        page.one("h1")
        assert browser.execute_script(width) == 360, route
    browser.get(f"{pool.url}/docs")
    page.one("main")
    assert browser.execute_script(width) == 360


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(pool, browser, scheme):
    """WCAG's contrast of 4.5 for the text of every page, 3 for what is large."""
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    try:
        page = Page(browser, pool)
        for route in ROUTES:
            page.go(route)
            page.one("h1")
            assert browser.execute_script(CONTRASTS) == [], route
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


CONTRASTS = """
const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
const linear = (c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4);
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
const ground = (e) => {
  for (; e; e = e.parentElement) {
    const colour = parts(getComputedStyle(e).backgroundColor);
    if (colour[3] !== 0) return colour;
  }
  return [255, 255, 255];
};
const found = [];
for (const e of document.querySelectorAll("body *")) {
  const isText = [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  if (!isText || !e.checkVisibility() || e.closest(":disabled, svg")) continue;
  const [one, other] = [light(parts(getComputedStyle(e).color)), light(ground(e))];
  const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
  const least = parseFloat(getComputedStyle(e).fontSize) >= 24 ? 3 : 4.5;
  if (contrast < least) found.push(`${e.textContent.slice(0, 40)}: ${contrast.toFixed(2)}`);
}
return found;
"""


def test_who_wants_less_motion_gets_no_animation(pool, browser):
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]})
    try:
        page = Page(browser, pool, "#/model/fragile")
        page.until(lambda: "L" in page.one('svg[aria-label^="Queue"] path').get_attribute("d"), "the chart to move")
        assert browser.execute_script("return document.getAnimations().length") == 0
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_page_that_nobody_looks_at_asks_nothing(page):
    page.one('[data-id="bands"]')
    page.browser.execute_script("Object.defineProperty(document, 'hidden', { value: true })")
    page.until(lambda: page.asked() is not None and not settle(page), "the questions to stop")


def settle(page):
    """What is asked within more than the time between two looks."""
    page.browser.execute_async_script("setTimeout(arguments[0], 2500)")
    return [url for url in page.asked() if url.startswith("/info")]


def test_a_pool_that_goes_away_is_told_and_found_again(page):
    page.says("#status", "pool 7")
    page.browser.execute_cdp_cmd("Network.enable", {})
    page.browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions", {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    )
    page.says("#status", "cannot be reached: trying again")
    page.browser.execute_cdp_cmd(
        "Network.emulateNetworkConditions", {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    )
    page.says("#status", "pool 7")


def test_docs_break_no_policy(pool, browser):
    browser.get(f"{pool.url}/docs")
    assert browser.find_element("css selector", "h2").value_of_css_property("margin-bottom") != "0px"

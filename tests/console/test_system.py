"""The system's page in a real browser."""

import re

from .conftest import Page


def test_it_tells_of_the_host_and_the_server(pool, browser):
    page = Page(browser, pool, "#/system")
    page.says(".facts", "Up for")
    system = pool.ask("/info/system")
    for part in (system["version"], str(system["process"]["pid"]), system["platform"], ".".join(map(str, system["python"][:3]))):
        page.says(".facts", part)
    page.until(lambda: re.search("all cores [0-9.]+ %", page.all(".chart")[0].text), "the processor's use")
    assert "GB" in page.all(".chart")[1].text


def test_adapters_have_a_version_or_a_way_to_install_them(pool, browser):
    page = Page(browser, pool, "#/system")
    page.until(lambda: page.all("tbody tr"), "the adapters")
    rows = {row.find_element("css selector", "th").text: row.find_element("css selector", "td").text for row in page.all("tbody tr")}
    for name, version in pool.ask("/info/system")["adapters"].items():
        assert rows[name] == (f"not installed: pip install 'zeromind[{name}]'" if version is None else version or "installed")


def test_its_links_lead_somewhere(pool, browser):
    page = Page(browser, pool, "#/system")
    page.one(".links")
    links = [link.get_attribute("href") for link in page.all(".links a")]
    assert {link.removeprefix(pool.url) for link in links} == {"/metrics", "/docs", "/openapi.json", "/v2/models/stats"}
    for link in links:
        assert pool.request(link.removeprefix(pool.url))[0] == 200, link

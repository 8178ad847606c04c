"""The console of a pool that has keys."""

import time

import pytest

from .conftest import Page


@pytest.fixture
def page(keyed, browser):
    pool, *_ = keyed
    yield Page(browser, pool)
    browser.execute_script("sessionStorage.clear()")


def test_a_key_is_asked_for_told_what_is_wrong_with_it_and_kept_in_the_tab(page, keyed):
    _, key, _ = keyed
    page.says("#key", "needs an API key")
    page.write("#key-text", "zm_wrong")
    page.one("#key .main").click()
    page.says("#key-reason", "not known here")
    page.one("#key-cancel").click()
    page.says("#status", "not known here")
    page.one("#key-button").click()
    page.write("#key-text", key + "\n")
    page.says("#status", "pool 7")
    page.one('[data-id="bands"]')
    page.browser.refresh()
    page.says("#status", "pool 7")
    page.one("#key-button")


def test_who_has_no_key_is_asked_once_and_the_pool_not_again_and_again(page):
    page.one("#key-cancel").click()
    page.says("#status", "API key")
    page.says("#none", "needs an API key")
    page.asked()
    time.sleep(2.5)  # longer than the console waits between two looks
    assert page.asked() == []


def test_what_a_key_may_not_do_is_told_and_not_asked_again(page, keyed):
    _, key, _ = keyed
    page.write("#key-text", key + "\n")
    page.says("#status", "pool 7")
    page.go("#/model/bands/log")
    page.says(".note.error", "needs manage")
    page.gone(".log")
    page.asked()
    time.sleep(2.5)
    assert [url for url in page.asked() if url.startswith("/info/log")] == []
    page.one(".drop").click()
    page.one("#confirm [value=yes]").click()
    page.says("#model-result", "needs manage")
    page.go("#/load")
    page.write("#task", '{"id": "x", "model_file": "skills/product.py"}')
    page.one("#load [type=submit]").click()
    page.says("#load-result", "needs manage")


def test_a_key_for_some_models_sees_and_asks_those(page, keyed):
    page.write("#key-text", keyed[2] + "\n")
    page.one('[data-id="classes"]')
    assert page.all('[data-id="bands"]') == []
    page.predict()
    page.one(".bars")
    page.go("#/system")
    page.says(".note.error", "is for some models only")

"""Which hosts are ours, and which requests another site's page is behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeromind.access.browser import Sender, sender
from zeromind.access.hosts import Hosts, name_of

HOST = {"Host": "localhost:5885"}
MOZILLA = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:5885",
        "localhost.",
        "a.localhost:1",
        "127.0.0.1",
        "127.0.0.1:5885",
        "127.9.9.9",
        "[::1]:5885",
        "::1",
        "me",
        "a.b.org:80",
    ],
)
def test_a_host_of_ours(host):
    assert Hosts(("me", "*.b.org")).admits(host)
    assert Hosts(("ME", "*.B.org")).admits(host)


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "notlocalhost", "b.org", "xb.org", "10.0.0.1", "8.8.8.8",
        "[::ffff:8.8.8.8]", "me.", "2130706433", "0x7f000001", "127.1", "", ":80", "[", "a@localhost", "localhost,evil",
    ],
)  # fmt: skip
def test_a_host_of_somebody_elses(host):
    assert not Hosts(("*.b.org",)).admits(host)


def test_addresses_may_do():
    assert Hosts(numeric=True).admits("10.0.0.1:80")
    assert not Hosts(numeric=True).admits("evil.example")


def test_any_host():
    assert Hosts(("*",)).admits("evil.example")


@given(st.text(max_size=40))
def test_any_text_has_a_name(text):
    assert isinstance(name_of(text), str)
    Hosts(("a",)).admits(text)


OWN = [
    {},
    {"User-Agent": "curl/8"},
    {"User-Agent": "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1"},
    {"Origin": "http://localhost:5885"},
    {"Origin": "https://localhost:5885"},
    {"Origin": "https://app.example.org"},
    {"Origin": "https://app.example.org", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
    {"Referer": "http://localhost:5885/console", "User-Agent": MOZILLA},
    {"User-Agent": MOZILLA, "Content-Type": "application/json"},
    {"User-Agent": MOZILLA, "Authorization": "Bearer x"},
]
LINK = [
    {"User-Agent": MOZILLA},
    {"User-Agent": MOZILLA, "Content-Type": "text/plain;charset=UTF-8"},
    {"Referer": "http://evil.example/"},
    {"Referer": "http://localhost:5886/"},
    {"Referer": "about:blank"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
]
FOREIGN = [
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://evil.example"},
    {"Origin": "http://localhost:5886"},
    {"Origin": "http://localhost"},
    {"Origin": "https://app.example.org.evil.example"},
    {"Origin": "http://[::1"},
    {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    {"Sec-Fetch-Site": "whatever comes yet"},
]


CASES = [(kind, one) for kind, some in zip(Sender, (OWN, LINK, FOREIGN), strict=True) for one in some]
FIELDS = ("Host", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "User-Agent")


@pytest.mark.proves("T23")
@pytest.mark.parametrize(("found", "headers"), CASES)
def test_t23_who_sent_it(found, headers):
    assert sender({**HOST, **headers}, {"https://app.example.org"}) is found


def test_an_origin_without_a_host_to_compare_is_foreign():
    assert sender({"Origin": "null"}) is Sender.FOREIGN


@given(st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20)))
def test_any_fields_have_a_sender(headers):
    assert sender(headers) in Sender

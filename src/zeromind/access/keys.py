"""API keys: 256 random bits each, of which a file keeps the SHA-256.

A slow or salted hash defends secrets that people chose and that can be guessed. Nobody guesses 256 bits, so the plain digest is as
good, and finding the key of a request costs a microsecond.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from zeromind import strictjson
from zeromind.access.scope import GRANTED, Caller, Scope

PREFIX = "zm_"
"""What every key begins with, so that scanners of source code find those that were committed."""
MOST_KEYS = 10_000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}\*?|\*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FIELDS = {"name", "sha256", "scopes", "models", "created", "expires"}


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """One key. ``models`` are ids or beginnings of ids with a ``*``, None is all; times are UTC, ``expires`` None is never."""

    name: str
    digest: str
    scopes: frozenset[Scope]
    models: tuple[str, ...] | None
    created: dt.datetime
    expires: dt.datetime | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for what no key has."""
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"the name {self.name!r} must be letters, digits, '.', '_', '@' and '-', 64 at most")
        if not _DIGEST.fullmatch(self.digest):
            raise ValueError(f"the key {self.name!r} needs its 'sha256', 64 digits of 0-9 and a-f")
        if not self.scopes or not self.scopes <= set(GRANTED):
            raise ValueError(f"the key {self.name!r} needs 'scopes': some of {', '.join(scope.value for scope in GRANTED)}")
        for pattern in self.models or ():
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"the key {self.name!r} is for {pattern!r}, which is no model's id, nor the beginning of one and '*'")
        if self.models == ():
            raise ValueError(f"the key {self.name!r} is for no model at all: name some, or leave 'models' null")

    def expired(self, now: float) -> bool:
        """Whether it is no longer valid at a time in seconds since 1970."""
        return self.expires is not None and now >= self.expires.timestamp()

    @property
    def caller(self) -> Caller:
        """Who asks with it."""
        return Caller(self.name, self.scopes | {Scope.ANY}, self.models, self.digest)


def mint() -> str:
    """A new key."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What is kept of a key."""
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


class Keys:
    """The keys of a file."""

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self.all = tuple(keys)
        self._found = {key.digest: key for key in self.all}
        if len({key.name for key in self.all}) != len(self.all) or len(self._found) != len(self.all):
            raise ValueError("two keys have the same name or the same digest")

    def find(self, key: str) -> Key | None:
        """The key with this text, expired or not.

        The table is asked for a digest, of which whoever guesses keys can steer no bit: how long that takes tells nothing of the
        digests in it. The comparison that decides takes as long for any.
        """
        wanted = digest(key)
        found = self._found.get(wanted)
        return found if found is not None and hmac.compare_digest(found.digest, wanted) else None

    def with_one(self, key: Key) -> Keys:
        """These and one more. Raises ValueError for a name that is taken, or for more keys than a file may have."""
        if any(here.name == key.name for here in self.all):
            raise ValueError(f"there is a key {key.name!r} already: choose another name, or revoke that one first")
        if len(self.all) >= MOST_KEYS:
            raise ValueError(f"there are {MOST_KEYS} keys already")
        return Keys((*self.all, key))

    def without(self, name: str) -> Keys:
        """These without one. Raises ValueError for a name that there is not."""
        if all(here.name != name for here in self.all):
            raise ValueError(f"there is no key {name!r}; 'zeromind keys list' shows those that there are")
        return Keys(key for key in self.all if key.name != name)


def dump(keys: Keys) -> bytes:
    """The keys as a file has them."""
    return json.dumps({"keys": [_entry(key) for key in keys.all]}, indent=2).encode() + b"\n"


def parse(data: bytes) -> Keys:
    """The keys in a file's bytes. Raises ValueError that says what is wrong with them."""
    content = strictjson.loads(data)
    if not isinstance(content, dict) or set(content) != {"keys"} or not isinstance(content["keys"], list):
        raise ValueError('it must be an object with "keys", a list')
    if len(content["keys"]) > MOST_KEYS:
        raise ValueError(f"it has more than {MOST_KEYS} keys")
    return Keys(_key(place, entry) for place, entry in enumerate(content["keys"]))


def moment(text: str) -> dt.datetime:
    """A time written as ``2027-01-31`` or ``2027-01-31T12:00:00Z``, in UTC unless it says otherwise. Raises ValueError."""
    try:
        found = dt.datetime.fromisoformat(text.removesuffix("Z") + ("+00:00" if text.endswith("Z") else ""))
        found = found.replace(tzinfo=found.tzinfo or dt.timezone.utc).astimezone(dt.timezone.utc)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time such as 2027-01-31 or 2027-01-31T12:00:00Z") from None
    return found


def _entry(key: Key) -> dict[str, Any]:
    return {
        "name": key.name,
        "sha256": key.digest,
        "scopes": sorted(scope.value for scope in key.scopes),
        "models": None if key.models is None else list(key.models),
        "created": _written(key.created),
        "expires": key.expires and _written(key.expires),
    }


def _written(time: dt.datetime) -> str:
    return time.astimezone(dt.timezone.utc).replace(tzinfo=None).isoformat() + "Z"


def _key(place: int, entry: Any) -> Key:
    if not isinstance(entry, dict):
        raise ValueError(f"keys[{place}] must be an object")  # noqa: TRY004 - it is a file's content that is wrong
    if entry.keys() - _FIELDS or not {"name", "sha256", "scopes", "created"} <= entry.keys():
        raise ValueError(f"keys[{place}] must have name, sha256, scopes and created, may have models and expires, and nothing else")
    name, models, expires = entry["name"], entry.get("models"), entry.get("expires")
    for field, value in (
        ("name", name),
        ("sha256", entry["sha256"]),
        ("created", entry["created"]),
        ("expires", "" if expires is None else expires),
    ):
        if not isinstance(value, str):
            raise ValueError(f"keys[{place}].{field} must be a string")  # noqa: TRY004 - as above
    for field, value in (("scopes", entry["scopes"]), ("models", [] if models is None else models)):
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"keys[{place}].{field} must be a list of strings")
    return Key(
        name,
        entry["sha256"],
        frozenset(_scope(place, scope) for scope in entry["scopes"]),
        None if models is None else tuple(models),
        moment(entry["created"]),
        moment(expires) if expires is not None else None,
    )


def _scope(place: int, name: str) -> Scope:
    known: Mapping[str, Scope] = {scope.value: scope for scope in GRANTED}
    if name not in known:
        raise ValueError(f"keys[{place}] has the scope {name!r}; there are {', '.join(known)}")
    return known[name]

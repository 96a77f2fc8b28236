"""How much one visitor may ask for, and how fast passwords may be guessed. Thread-safe; time is in seconds."""

from __future__ import annotations

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

MOST_KEYS = 10_000  # visitors or addresses kept in mind; the least recently seen are forgotten
FREE_GUESSES = 4  # wrong passwords from one address before it must wait
LONGEST_WAIT = 900.0
FREE_GUESSES_OF_ALL = 50  # from all addresses together, since one person may have many
LONGEST_WAIT_OF_ALL = 10.0
FORGOTTEN_AFTER = 3_600.0


def counted_as(address: str) -> str:
    """What limits know an address by: of IPv6 its first half, since whoever has one address has all that share it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if found.version == 4:
        return address
    return str(found.ipv4_mapped or ipaddress.IPv6Network((int(found), 64), strict=False))


class TokenBuckets:
    """A bucket of tokens for each key: it holds `size`, and gets `per_minute` new ones each minute."""

    def __init__(self, per_minute: float, size: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._size, self._clock = per_minute / 60, float(size), clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> float:
        """Take a token: 0.0 when there was one, else the seconds until there will be."""
        now = self._clock()
        with self._lock:
            level, since = self._levels.pop(key, (self._size, now))
            level = min(self._size, level + (now - since) * self._rate)
            allowed = level >= 1
            self._levels[key] = (level - 1 if allowed else level, now)
            if len(self._levels) > MOST_KEYS:
                self._levels.popitem(last=False)
        return 0.0 if allowed else (1 - level) / self._rate


class _Guesses:
    """Wrong passwords in a row, and when the next may be tried."""

    def __init__(self, free: int, longest: float) -> None:
        self.free, self.longest = free, longest
        self.count, self.last = 0, 0.0

    def wait(self, now: float) -> float:
        if self.count < self.free:
            return 0.0
        pause = min(self.longest, 2.0 ** min(self.count - self.free, 30))
        return max(0.0, self.last + pause - now)

    def add(self, now: float) -> None:
        self.count, self.last = self.count + 1, now


class LoginGuard:
    """Makes guessing slow: after a few wrong passwords each further one costs twice the wait of the one before.

    An attempt counts as wrong from its beginning, so that many at once are no way around. Guesses made elsewhere do not
    hold up an address from which somebody has logged in before.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all = _Guesses(FREE_GUESSES_OF_ALL, LONGEST_WAIT_OF_ALL)
        self._addresses: OrderedDict[str, _Guesses] = OrderedDict()
        self._known: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, address: str) -> float:
        """Begin an attempt: 0.0 when it may be made now, else the seconds to wait first."""
        now = self._clock()
        with self._lock:
            guesses = self._addresses.pop(address, None)
            if guesses is None or now - guesses.last > FORGOTTEN_AFTER:
                guesses = _Guesses(FREE_GUESSES, LONGEST_WAIT)
            self._addresses[address] = guesses
            if len(self._addresses) > MOST_KEYS:
                self._addresses.popitem(last=False)
            if now - self._all.last > FORGOTTEN_AFTER:
                self._all.count = 0
            wait = max(guesses.wait(now), 0.0 if address in self._known else self._all.wait(now))
            if not wait:
                guesses.add(now)
                self._all.add(now)
            return wait

    def succeeded(self, address: str) -> None:
        """The password of this attempt was right.

        The wrong ones before it still count, or whoever has one account could guess at the others between two logins.
        """
        with self._lock:
            for guesses in filter(None, (self._addresses.get(address), self._all)):
                guesses.count = max(0, guesses.count - 1)
            self._known[address] = None
            self._known.move_to_end(address)
            if len(self._known) > MOST_KEYS:
                self._known.popitem(last=False)

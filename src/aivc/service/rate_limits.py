"""How often each user may ask: a bucket of requests that fills up again as time passes."""

import ipaddress
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import final

from aivc.service.refusals import TooOftenError

# Buckets that are kept; whoever was not seen for longest is forgotten, and begins with a full one.
_KEPT = 10_000


@final
class RateLimit:
    """A bucket for each asker.

    Args:
        per_minute: Requests that flow in, and how many a full bucket holds.
        clock: Seconds that only grow.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._size, self._rate, self._clock = float(per_minute), per_minute / 60, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, who: str) -> None:
        """Take one request out of the bucket of an asker.

        Raises:
            TooOftenError: It is empty.

        >>> limit = RateLimit(1, clock=lambda: 0.0)
        >>> limit.take("ada")
        >>> limit.take("ada")
        Traceback (most recent call last):
        aivc.service.refusals.TooOftenError: Requests come faster than they are answered here. Wait 60 s.
        """
        with self._lock:
            now = self._clock()
            held, since = self._buckets.pop(who, (self._size, now))
            held = min(self._size, held + (now - since) * self._rate)
            self._buckets[who] = max(held - 1, 0.0) if held >= 1 else held, now
            if len(self._buckets) > _KEPT:
                self._buckets.popitem(last=False)
        if held < 1:
            raise TooOftenError((1 - held) / self._rate)

    def give_back(self, who: str) -> None:
        """Put back what was taken for something that does not count after all."""
        with self._lock:
            if who in self._buckets:
                held, since = self._buckets[who]
                self._buckets[who] = min(self._size, held + 1), since


def origin(address: str) -> str:
    """Whose bucket an address shares: of IPv6, its network, in which one client has all addresses it likes.

    >>> origin("10.0.0.1"), origin("2001:db8::1:2"), origin("::ffff:10.0.0.1"), origin("unix")
    ('10.0.0.1', '2001:db8::/64', '10.0.0.1', 'unix')
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv4Address):
        return address
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), 64), strict=False))

"""Tokens in memory: what is good, what was revoked, what each may send."""

from __future__ import annotations

import pytest

from collector.receivers.allowance import BURST_S
from collector.receivers.keyring import ASKS_S, Key, Keyring
from collector.receivers.refusal import Code, Refusal
from collector.store.tokens import Limits, Use
from tests.collector.receivers.tokens import Clock, FakeTokens


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(tokens: FakeTokens, clock: Clock) -> Keyring:
    return Keyring(tokens, clock_s=clock)


def found(keyring: Keyring, secret: str) -> Key:
    key = keyring.find(secret)
    assert key is not None
    return key


def refusal_of(key: Key) -> Refusal:
    with pytest.raises(Refusal) as raised:
        key.enter()
    return raised.value


def test_a_known_token_asks_the_database_nothing(keyring: Keyring, tokens: FakeTokens) -> None:
    """However often it is found."""
    tokens.make("a")
    keyring.refresh()
    for _ in range(100):
        assert "a" == found(keyring, "a").token.name
    assert 1 == tokens.asked


def test_a_new_token_is_good_at_once(keyring: Keyring, tokens: FakeTokens, clock: Clock) -> None:
    """An unknown one makes us ask the database, but strangers cannot make us ask all the time."""
    assert keyring.find("a") is None
    tokens.make("a")
    assert found(keyring, "a") is found(keyring, "a")
    assert 2 == tokens.asked

    for number in range(100):
        assert keyring.find(f"stranger {number}") is None
    assert BURST_S * ASKS_S == tokens.asked
    tokens.make("b")
    assert keyring.find("b") is None
    clock.now += 1 / ASKS_S
    assert "b" == found(keyring, "b").token.name


def test_a_revoked_token_is_gone_with_the_next_refresh(keyring: Keyring, tokens: FakeTokens) -> None:
    """By its secret and by its id, and what was done with it is still told."""
    digest = tokens.make("a")
    key = found(keyring, "a")
    assert keyring.by_id(key.token.id) is key
    key.enter()
    del tokens.tokens[digest]
    keyring.refresh()

    assert keyring.find("a") is None
    assert keyring.by_id(key.token.id) is None
    keyring.close()
    assert [(digest, 1)] == [(use.digest, use.requests) for use in tokens.uses]


def test_while_the_database_is_away(
    keyring: Keyring, tokens: FakeTokens, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Known tokens stay good; an unknown one may be good, so its sender is told to try again; the log says it once."""
    tokens.make("a")
    keyring.refresh()
    tokens.error = OSError("away")
    keyring.refresh()
    keyring.refresh()
    assert "a" == found(keyring, "a").token.name
    with pytest.raises(Refusal) as raised:
        keyring.find("b")
    assert (503, Code.UNAVAILABLE, 5) == (raised.value.status, raised.value.code, raised.value.retry_after_s)
    assert 1 == len(caplog.records)

    tokens.error = None
    keyring.refresh()
    assert keyring.find("b") is None


def test_uses_are_told_once(keyring: Keyring, tokens: FakeTokens) -> None:
    """What could not be stored is told the next time."""
    tokens.make("a", limits=Limits(max_requests_s=1))
    key = found(keyring, "a")
    for _ in range(BURST_S):
        key.enter()
    refusal_of(key)
    key.add(500)
    tokens.error = OSError("away")
    keyring.close()
    assert [] == tokens.uses
    tokens.error = None
    keyring.close()
    keyring.close()

    (use,) = tokens.uses
    assert use.last_used_ms is not None
    assert (BURST_S, 500, 1) == (use.requests, use.bytes, use.refused)


def test_a_refusal_alone_is_no_use() -> None:
    """So that "last used" means that something was taken."""
    tokens = FakeTokens()
    tokens.make("a", limits=Limits(max_bytes_s=10))
    key = found(Keyring(tokens, clock_s=Clock()), "a")
    key.add(1000)
    refusal_of(key)

    assert Use(key.digest, None, 0, 1000, 1) == key.take_use()


def test_requests_a_second(keyring: Keyring, tokens: FakeTokens, clock: Clock) -> None:
    """Ten seconds' worth may come at once, then one for each that the rate gives."""
    tokens.make("a", limits=Limits(max_requests_s=5))
    key = found(keyring, "a")
    for _ in range(5 * BURST_S):
        key.enter()
    refusal = refusal_of(key)
    assert (429, "rate_limited", Code.RESOURCE_EXHAUSTED) == (refusal.status, refusal.reason, refusal.code)
    assert "5 requests a second" in str(refusal)
    assert refusal.retry_after_s is not None
    assert 0 < refusal.retry_after_s <= 1
    for _ in range(10):
        clock.now += 0.2
        key.enter()
        refusal_of(key)
    clock.now += 1_000_000
    for _ in range(5 * BURST_S):
        key.enter()
    refusal_of(key)


def test_bytes_a_second(keyring: Keyring, tokens: FakeTokens, clock: Clock) -> None:
    """A body larger than the burst passes, and the next waits until it is paid for."""
    tokens.make("a", limits=Limits(max_bytes_s=100))
    key = found(keyring, "a")
    key.enter()
    key.add(100 * BURST_S + 700)
    assert 7 == pytest.approx(refusal_of(key).retry_after_s, rel=1e-3)
    clock.now += 6.9
    assert 0.1 == pytest.approx(refusal_of(key).retry_after_s, rel=1e-3)
    clock.now += 0.2
    key.enter()


def test_the_slower_of_two_rates_counts(keyring: Keyring, tokens: FakeTokens) -> None:
    """And both are named."""
    tokens.make("a", limits=Limits(max_requests_s=1000, max_bytes_s=100))
    key = found(keyring, "a")
    key.enter()
    key.add(5_000)
    assert "1000 requests a second and 100 bytes a second" in str(refusal_of(key))


def test_a_refresh_gives_no_new_allowance(keyring: Keyring, tokens: FakeTokens) -> None:
    """Only limits that were changed begin anew."""
    tokens.make("a", limits=Limits(max_requests_s=1))
    key = found(keyring, "a")
    for _ in range(BURST_S):
        key.enter()
    keyring.refresh()
    refusal_of(found(keyring, "a"))
    tokens.make("a", limits=Limits(max_requests_s=2))
    keyring.refresh()

    found(keyring, "a").enter()


def test_the_smaller_of_two_sizes_counts(keyring: Keyring, tokens: FakeTokens) -> None:
    """A token may narrow what all may send, not widen it."""
    tokens.make("a", limits=Limits(max_body_bytes=100))
    tokens.make("b")
    assert (100, 50) == (found(keyring, "a").limit(1000), found(keyring, "a").limit(50))
    assert 1000 == found(keyring, "b").limit(1000)

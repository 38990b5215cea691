"""What channels may reach, however an address is written, resolved or redirected to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.alerts.networks import Networks
from collector.alerts.outcomes import Blocked, Refused, TryAgain
from collector.alerts.wire import MAX_ANSWER_BYTES, Wire, retry_after_s
from tests.collector.alerts.services.server import Reply, Service
from tests.collector.alerts.services.tls import Authority

Resolve = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """Names and what they resolve to, in place of the machine's resolver; each look-up takes what is there then."""
    known: dict[str, list[str]] = {}
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *arguments: Any, **options: Any) -> Any:
        if host not in known:
            return real(host, port, *arguments, **options)
        asked.append(host)
        return [
            (socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in known[host]
        ]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    known["asked"] = asked
    return known


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1",
        "169.254.169.254",  # metadata of EC2, GCP, Azure
        "169.254.170.2",  # of ECS
        "168.63.129.16", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
        "192.0.2.1", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1", "::7f00:1",
        "100::1", "5f00::1", "not an address", "localhost", "127.1", "0x7f.1",
    ],
)  # fmt: skip
def test_internal_addresses_are_not_permitted(address: str) -> None:
    """Loopback, private, link-local, metadata, reserved, multicast, and each of them inside an IPv6 address."""
    assert not Networks().permits(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "52.94.236.248", "2606:4700:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_addresses_are_permitted(address: str) -> None:
    """What channels are for."""
    assert Networks().permits(address)


def test_the_administrator_allows_what_is_named() -> None:
    """A network is allowed as it is, and inside an IPv6 address; nothing beside it."""
    networks = Networks.parse(["10.1.0.0/16", " 127.0.0.1 ", ""])

    assert [True, True, False, True, False] == [
        networks.permits(address) for address in ("10.1.2.3", "::ffff:10.1.2.3", "10.2.0.1", "127.0.0.1", "127.0.0.2")
    ]
    with pytest.raises(ValueError, match="host bits set"):
        Networks.parse(["10.1.0.1/16"])


@given(st.ip_addresses())
def test_an_address_within_another_is_the_same(address: Any) -> None:
    """Writing an IPv4 address as an IPv6 one changes nothing."""
    if address.version == 4:
        assert Networks().permits(str(address)) == Networks().permits(f"::ffff:{address}")


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "[::1]", "localhost", "2130706433", "0x7f000001", "127.1", "0177.0.0.1", "[::ffff:127.0.0.1]"],
)
def test_every_way_to_write_loopback_is_blocked(host: str) -> None:
    """Whatever the resolver makes of it, the address is checked, not its spelling."""
    with Service() as service, pytest.raises((Blocked, Refused, TryAgain)), Wire(Networks()) as wire:
        wire.send("POST", f"http://{host}:{service.port}/", json_body={})

    assert [] == service.received


def test_a_name_with_one_internal_address_is_blocked(names: dict[str, list[str]]) -> None:
    """All of its addresses are checked, not only the one that would be used."""
    names["mixed.example"] = ["93.184.215.14", "10.0.0.1"]
    with (
        pytest.raises(Blocked, match=r"mixed\.example is at the internal address 10\.0\.0\.1"),
        Wire(Networks()) as wire,
    ):
        wire.send("POST", "https://mixed.example/", json_body={})


def test_the_checked_address_is_the_one_that_is_connected_to(
    names: dict[str, list[str]], networks: Networks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name is looked up once; what it resolves to afterwards does not matter."""
    connected: list[Any] = []
    real = socket.create_connection

    def connect(address: Any, *arguments: Any, **options: Any) -> socket.socket:
        connected.append(address)
        return real(address, *arguments, **options)

    monkeypatch.setattr(socket, "create_connection", connect)
    with Service() as service:
        names["rebinding.example"] = ["127.0.0.1"]
        with Wire(networks) as wire:
            wire.send("POST", f"http://rebinding.example:{service.port}/", json_body={})
        (received,) = service.received

    assert ["rebinding.example"] == names["asked"]
    assert [("127.0.0.1", service.port)] == connected
    assert f"rebinding.example:{service.port}" == received.headers["host"]


def test_the_certificate_is_the_names_not_the_addresss(
    names: dict[str, list[str]], networks: Networks, trusted: Authority
) -> None:
    """A pinned address is no reason to take another server's certificate."""
    names["elsewhere.example"] = ["127.0.0.1"]
    with Service(trusted.server_context()) as service:
        with Wire(networks) as wire:
            wire.send("POST", f"https://localhost:{service.port}/", json_body={})
        with pytest.raises(TryAgain, match="certificate"), Wire(networks) as wire:
            wire.send("POST", f"https://elsewhere.example:{service.port}/", json_body={})

    assert 1 == len(service.received)


def test_redirects_are_not_followed(networks: Networks) -> None:
    """Wherever they lead."""
    with Service() as target, Service() as service:
        service.failures.append(Reply(307, "", {"Location": f"{target.url}/"}))
        with pytest.raises(Refused, match="a redirect, and those are not followed"), Wire(networks) as wire:
            wire.send("POST", service.url, json_body={})

    assert [] == target.received


def test_clear_text_is_for_allowed_networks_alone(names: dict[str, list[str]]) -> None:
    """A public address gets nothing without TLS; nothing is connected to."""
    names["plain.example"] = ["93.184.215.14"]
    with pytest.raises(Refused, match="without encryption"), Wire(Networks()) as wire:
        wire.send("POST", "http://plain.example/", json_body={})


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "file:///etc/passwd", "gopher://127.0.0.1/"])
def test_only_http_is_spoken(networks: Networks, url: str) -> None:
    """Other protocols are no channels."""
    with pytest.raises(Refused), Wire(networks) as wire:
        wire.send("POST", url, json_body={})


def test_proxies_of_the_environment_are_not_asked(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy would connect wherever it is asked to."""
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1/")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1/")
    with Service() as service:
        with Wire(networks) as wire:
            wire.send("POST", service.url, json_body={})

        assert 1 == len(service.received)


def test_a_huge_answer_is_cut(networks: Networks) -> None:
    """What a service says is read up to a bound, and what it packed is not unpacked."""
    with Service() as service:
        service.failures.append(Reply(400, "x" * (4 * MAX_ANSWER_BYTES), {"Content-Encoding": "gzip"}))
        with Wire(networks) as wire:
            answer = wire.ask("POST", service.url, json_body={})

    assert MAX_ANSWER_BYTES == len(answer.text)


def test_a_service_that_drips_is_cut_off(networks: Networks) -> None:
    """The deadline holds for the whole exchange, not for each byte."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        import threading

        stop = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises(TryAgain, match="did not answer in time"), Wire(networks, deadline_s=1.0) as wire:
            wire.send("POST", url, json_body={})
        stop.set()
        thread.join()


def test_a_refused_connection_is_tried_again(networks: Networks) -> None:
    """It says to where."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(TryAgain, match=f"Cannot connect to 127.0.0.1 port {port}"), Wire(networks) as wire:
        wire.send("POST", f"http://127.0.0.1:{port}/", json_body={})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("30", 30.0), ("0.5", 0.5), ("999999", 3600.0), ("Fri, 31 Dec 1999 23:59:59 GMT", 0.0), ("", None),
        ("soon", None), ("-5", None), ("٣", None),
    ],
)  # fmt: skip
def test_retry_after(value: str, expected: float | None) -> None:
    """Seconds or a date; at most an hour; nonsense is as none."""
    assert expected == retry_after_s({"retry-after": value})

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.domain.facts import Capacity
from collector.domain.price_file import PICODOLLARS, load_prices
from collector.domain.prices import Price, default_prices, pays_restores
from tests.collector.domain.otlp import MS, START_NS
from tests.collector.domain.price_tables import GOOD

AUGUST_2025_NS = 1_754_006_400_000_000_000  # 2025-08-01T00:00:00Z
STANDARD = ("0.0000166667", "0.0000133334", "0.0000002")
# AWS's list prices: dollars per GB-second on x86_64 and arm64, and per request.
PUBLISHED = {
    "us-east-1": STANDARD,
    "us-east-2": STANDARD,
    "us-west-1": STANDARD,
    "us-west-2": STANDARD,
    "ca-central-1": STANDARD,
    "eu-west-1": STANDARD,
    "eu-west-2": STANDARD,
    "eu-west-3": STANDARD,
    "eu-central-1": STANDARD,
    "eu-north-1": STANDARD,
    "ap-south-1": STANDARD,
    "ap-northeast-1": STANDARD,
    "ap-northeast-2": STANDARD,
    "ap-northeast-3": STANDARD,
    "ap-southeast-1": STANDARD,
    "ap-southeast-2": STANDARD,
    "ap-southeast-4": STANDARD,
    "sa-east-1": STANDARD,
    "ap-southeast-5": ("0.0000150000", "0.0000120000", "0.00000018"),
    "eu-central-2": ("0.0000183334", "0.0000146667", "0.00000022"),
    "eu-south-1": ("0.0000195172", "0.0000156138", "0.00000023"),
    "me-south-1": ("0.0000206667", "0.0000165334", "0.00000025"),
    "af-south-1": ("0.0000221000", "0.0000176800", "0.00000027"),
    "ap-east-1": ("0.0000229200", "0.0000183000", "0.00000028"),
}


def price(
    *,
    duration_ns: int = 100 * MS,
    init_ns: int | None = None,
    memory_mb: int | None = 1024,
    region: str = "us-east-1",
    architecture: str | None = "x86_64",
    started_ns: int = START_NS,
    capacity: Capacity = Capacity.ON_DEMAND,
    ephemeral_mb: int | None = None,
    restored: bool = False,
) -> Price:
    return default_prices().price(
        started_ns=started_ns,
        duration_ns=duration_ns,
        init_ns=init_ns,
        memory_mb=memory_mb,
        region=region,
        architecture=architecture,
        capacity=capacity,
        ephemeral_mb=ephemeral_mb,
        restored=restored,
    )


def test_every_region_has_its_published_price() -> None:
    """Each period prices exactly the regions of AWS's table, at their prices."""
    for period in default_prices().periods:
        assert {
            region: (entry.gb_second["x86_64"], entry.gb_second["arm64"], entry.request)
            for region, entry in period.regions.items()
        } == {region: tuple(int(Decimal(price) * PICODOLLARS) for price in row) for region, row in PUBLISHED.items()}


@pytest.mark.parametrize("region", PUBLISHED)
def test_one_gigabyte_second_costs_its_price_and_a_request(region: str) -> None:
    """1,024 MB for 1,000 ms is the price of a GB-second plus one request, to the picodollar."""
    x86_64, arm64, request = map(Decimal, PUBLISHED[region])
    second = 1_000 * MS
    assert price(duration_ns=second, region=region).cost_pd == (x86_64 + request) * PICODOLLARS
    assert price(duration_ns=second, region=region, architecture="arm64").cost_pd == (arm64 + request) * PICODOLLARS


def test_the_published_example_of_a_web_application() -> None:
    """AWS's own example, 120 ms at 1,536 MB: 0.18 GB-seconds; 140,000 GB-seconds beyond the free tier cost $2.33."""
    found = price(duration_ns=120 * MS, memory_mb=1536)
    assert found == Price(120, 3_200_006)  # 0.18 * 0.0000166667 + 0.0000002 = 0.000003200006
    assert found.cost_pd is not None
    invocations = Decimal(140_000) / Decimal("0.18")
    assert round(invocations * (found.cost_pd - 200_000) / PICODOLLARS, 2) == Decimal("2.33")


@pytest.mark.parametrize(
    ("memory_mb", "duration_ns", "architecture", "billed_ms", "cost_pd"),
    [
        # 0.125 GB * 0.001 s * 0.0000166667 = 0.0000000020833375; a request is 0.0000002
        (128, 1 * MS, "x86_64", 1, 202_083),
        # 0.125 * 0.001 * 0.0000133334 = 0.00000000166667500
        (128, 1 * MS, "arm64", 1, 201_667),
        # 0.5 * 3 * 0.0000166667 = 0.00002500005
        (512, 3_000 * MS, "x86_64", 3_000, 25_200_050),
        # 10 * 900 * 0.0000166667 = 0.1500003: the largest there is
        (10_240, 900_000 * MS, "x86_64", 900_000, 150_000_500_000),
        # 1769 / 1024 * 0.257 * 0.0000133334 = 0.00000591973012...
        (1_769, 256_000_001, "arm64", 257, 6_119_730),
    ],
)
def test_exact_costs(memory_mb: int, duration_ns: int, architecture: str, billed_ms: int, cost_pd: int) -> None:
    """Costs worked out by hand, to the picodollar."""
    found = price(memory_mb=memory_mb, duration_ns=duration_ns, architecture=architecture)
    assert found == Price(billed_ms, cost_pd)


@pytest.mark.parametrize(
    ("duration_ns", "billed_ms"),
    [
        (0, 1),
        (1, 1),
        (MS - 1, 1),
        (MS, 1),
        (MS + 1, 2),
        (376_256_590_000, 376_257),
        (9_007_199_254_740_993 * MS + 1, 0),
    ],
)
def test_billed_time_is_rounded_up_to_the_millisecond(duration_ns: int, billed_ms: int) -> None:
    """A nanosecond more is a millisecond more, at any size, and nothing is billed less than one."""
    assert price(duration_ns=duration_ns).billed_ms == (billed_ms or 9_007_199_254_740_994)


def test_init_is_billed_from_august_2025_on() -> None:
    """INIT is free until the last nanosecond of July 2025 and billed like the rest since; both round up together."""
    duration_ns, init_ns = 4_420_000, 333_050_000
    assert price(started_ns=AUGUST_2025_NS - 1, duration_ns=duration_ns, init_ns=init_ns).billed_ms == 5
    assert price(started_ns=AUGUST_2025_NS, duration_ns=duration_ns, init_ns=init_ns).billed_ms == 338
    assert price(started_ns=AUGUST_2025_NS, duration_ns=duration_ns).billed_ms == 5


def test_what_is_not_known_has_no_cost() -> None:
    """No price for the region, the architecture, the time or an unknown memory size: the cost is unknown, not 0."""
    assert price(region="mars-north-1") == Price(100, None)
    assert price(region="") == Price(100, None)
    assert price(memory_mb=None) == Price(100, None)
    assert price(memory_mb=0) == Price(100, None)
    assert price(architecture="riscv64") == Price(100, None)
    assert price(started_ns=1_500_000_000_000_000_000) == Price(100, None)  # 2017: billed by 100 ms


@pytest.mark.parametrize(
    ("region", "ephemeral_mb", "cost_pd"),
    [
        # 1 GB-s at 0.0000166667, a request at 0.0000002, and 0 / 1,024 GB-s of /tmp
        ("us-east-1", None, 16_866_700),
        ("us-east-1", 512, 16_866_700),
        # … and 9,728 / 1,024 = 9.5 GB-s at 0.0000000309 = 0.00000029355
        ("us-east-1", 10_240, 17_160_250),
        # … and 1,536 / 1,024 = 1.5 GB-s at 0.0000000586 = 0.0000000879
        ("sa-east-1", 2_048, 16_954_600),
    ],
)
def test_tmp_beyond_what_is_free(region: str, ephemeral_mb: int | None, cost_pd: int) -> None:
    """`/tmp` costs for the part of its configured size that is beyond 512 MB."""
    assert price(duration_ns=1_000 * MS, region=region, ephemeral_mb=ephemeral_mb).cost_pd == cost_pd


def provisioned(region: str = "us-east-1", architecture: str = "x86_64") -> int | None:
    """2 GB for 500 ms, which is 1 GB-s."""
    return price(
        duration_ns=500 * MS,
        memory_mb=2_048,
        capacity=Capacity.PROVISIONED,
        region=region,
        architecture=architecture,
    ).cost_pd


def test_provisioned_concurrency_has_its_own_price() -> None:
    """A GB-s is $0.0000097222 on x86_64, $0.0000077778 on arm64, and the request is the same."""
    assert provisioned() == 9_722_200 + 200_000
    assert provisioned(architecture="arm64") == 7_777_800 + 200_000
    assert provisioned("eu-central-1") == 11_701_100 + 200_000
    # Not published with the others: unknown rather than the price on demand.
    assert provisioned("eu-central-1", "arm64") is None


def test_managed_instances_have_no_price_by_time() -> None:
    assert price(capacity=Capacity.MANAGED) == Price(100, None)


def test_a_snapshot_is_paid_for_when_it_is_restored() -> None:
    """By the gigabyte of memory: 512 MB at $0.0001397998 are $0.0000698999, beside 0.05 GB-s at 0.0000166667."""
    found = price(duration_ns=100 * MS, memory_mb=512, restored=True)
    assert found.cost_pd == 69_899_900 + 833_335 + 200_000
    assert price(restored=True, region="eu-west-3").cost_pd is None


@pytest.mark.parametrize(
    ("runtime", "pays"),
    [("python3.12", True), ("dotnet8", True), ("java21", False), (None, None), ("", None)],
)
def test_snapstart_is_free_for_java(runtime: str | None, pays: bool | None) -> None:
    assert pays_restores(runtime) is pays


@pytest.mark.parametrize(("billed_ms", "cost_pd"), [(1, 200_008), (2, 200_017), (3, 200_026)])
def test_a_half_is_rounded_to_the_even_neighbour(tmp_path: Path, billed_ms: int, cost_pd: int) -> None:
    """1 MB for 1 ms at 8,704,000 pd per GB-s are 8.5 pd: 8; for 2 ms 17; for 3 ms 25.5: 26, which is even."""
    path = tmp_path / "prices.toml"
    path.write_text(GOOD.replace('"0.00002"', '"0.000008704"'))
    found = load_prices(path).cost(
        started_ns=START_NS, billed_ms=billed_ms, memory_mb=1, region="us-east-1", architecture="x86_64"
    )
    assert found == cost_pd


def test_an_unknown_architecture_is_lambdas_default() -> None:
    """A sender that does not say is priced as x86_64."""
    assert price(architecture=None) == price(architecture="x86_64")


@given(st.integers(0, 86_400_000_000_000), st.integers(1, 65_536), st.sampled_from(sorted(PUBLISHED)))
def test_any_cost_fits_its_column(duration_ns: int, memory_mb: int, region: str) -> None:
    """The longest duration and the largest memory that are taken leave room for 10,000 such in one sum."""
    cost_pd = price(duration_ns=duration_ns, memory_mb=memory_mb, region=region).cost_pd
    assert cost_pd is not None
    assert 0 < cost_pd < 2**63 // 10_000

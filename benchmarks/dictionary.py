"""Makes a compression dictionary for stored exports: what nearly all of them repeat, as OTLP writes it.

    scripts/bench dictionary --output collector/store/dictionary_3

A dictionary never changes once rows were stored with it: a better one is another file with another
`collector.store.codec.Codec`. What it learns from is made up and of no installation; the exports that `scripts/bench
ingest` stores have none of its names. Prints what it saves on those.

Beside the words zstd learns which of them follow each other how often, so that an export brings no codes of its own and
none have to be worked out for it: half the time. The same version of python-zstandard makes the same dictionary;
`dictionary_2` is of 0.25.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import zstandard

from benchmarks.dictionary_messages import samples
from benchmarks.exports import exports, without_payloads
from benchmarks.machine import describe_machine

SAMPLES = 4_000
BYTES = 32_000  # half or twice as many save 2 to 4 % less
LEVEL = 1  # as in collector.store.codec


def dictionary() -> bytes:
    return zstandard.train_dictionary(BYTES, list(samples(SAMPLES)), level=LEVEL, dict_id=1).as_bytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    content = dictionary()
    if options.output:
        options.output.write_bytes(content)
    whole = list(exports(1_000, start_ns=1_790_000_000_000_000_000, every_ns=10**6))
    data = zstandard.ZstdCompressionDict(content)
    print(f"{describe_machine()}\na dictionary of {len(content)} bytes")
    for bodies in (whole, [without_payloads(body) for body in whole]):
        print(f"exports of {_mean(bodies):.0f} bytes, compressed:")
        for level in (1, 3):
            plain = zstandard.ZstdCompressor(level=level)
            with_dictionary = zstandard.ZstdCompressor(level=level, dict_data=data)
            without = _mean([plain.compress(body) for body in bodies])
            found = _mean([with_dictionary.compress(body) for body in bodies])
            print(f"  level {level}: {without:.0f} without, {found:.0f} with it")


def _mean(bodies: Sequence[bytes]) -> float:
    return statistics.mean(map(len, bodies))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0
"""Compare the hosts that muniment reads in random addresses with the reference URL parser's.

    npm install --prefix DIR whatwg-url@16
    python benchmarks/url_hosts.py --modules DIR/node_modules [--addresses 100000]

Addresses are drawn from schemes, hosts and paths that parsers disagree about, and edited at random.
The reference is whatwg-url, which follows the URL Standard rule by rule; Node's own parser does not
check the Bidi rule. Prints one JSON object; `differ` has the addresses themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa

from muniment.transforms.rights import parse_hosts

SCHEMES = "http:// https:// HTTP: http:\\\\ https:/// ftp:// http:/ // ws://".split()
HOSTS = (
    "example.com EXAMPLE.com. münchen.de xn--mnchen-3ya.de ex。com ｅｘample.com %65xample.com 127.1 "
    "0x7f.1 [::1] [::ffff:1.2.3.4] a..b 1.2.3.256 example.com:443 user@example.com u:p@ex.com:80 "
    "a_b.com ß.de faß.de 日本語.jp -a.com xn--a.com 999999999999.com 4294967296 www.example.co.uk "
    "☕.us [1::2::3] example.com\\@evil.com a@b@c.com %zz.com ex%00.com ١٢٣.com"
).split()
HOSTS += ["ex ample.com", "\u200d.com", "a\u00ad.com", "exa\tmple.com", "e\nx.com"]
PATHS = ["", "/", "/a/b?c=d", "?q=example.com", "#@example.com", "\\x", "/%2e%2e/", "?u=http://x"]
EDITS = [*"abz09.-_~:/?#[]@!$&'()*+,;=%\\ \t\n|^`{}<>\"é。．ＡſK𝕏я�ا😀", "\u200d", "\u202e", "\0"]
SPECIAL = {"http:", "https:", "ftp:", "ws:", "wss:"}
READ = """
const W = require("whatwg-url").URL;
const read = u => { try { const x = new W(u); return [x.protocol, x.hostname]; } catch { return null; } };
console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(read)));
"""


def draw(rng: random.Random) -> str:
    """Return an address with up to three edits."""
    address = rng.choice(SCHEMES) + rng.choice(HOSTS) + rng.choice(PATHS)
    for _ in range(rng.choice([0, 0, 1, 2, 3])):
        place = rng.randrange(len(address) + 1)
        inserted = rng.choice(EDITS) if rng.random() < 0.7 else ""
        address = address[:place] + inserted + address[place + (not inserted) :]
    return address


def compare(addresses: list[str], modules: Path) -> dict[str, Any]:
    """Return how the hosts compare; trailing dots, which name the root, do not count."""
    done = subprocess.run(
        ["node", "-e", READ],  # noqa: S607  (the one on the path)
        input=json.dumps(addresses),
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"NODE_PATH": str(modules.resolve())},
    )
    ours = parse_hosts(pa.array(addresses, pa.string()))["host"].to_pylist()
    valid, differ = 0, []
    for address, theirs, host in zip(addresses, json.loads(done.stdout), ours, strict=True):
        if theirs is None or theirs[0] not in SPECIAL or not theirs[1]:
            continue
        valid += 1
        if (theirs[1].rstrip(".") or None) != host:
            differ.append([address, theirs[1], host])
    return {
        "addresses": len(addresses),
        "valid": valid,
        "equal": valid - len(differ),
        "differ": differ,
    }


def main() -> int:
    """Read the command line, compare, print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--modules", type=Path, required=True, help="folder with whatwg-url")
    parser.add_argument("--addresses", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=5)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print(json.dumps(compare([draw(rng) for _ in range(options.addresses)], options.modules)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

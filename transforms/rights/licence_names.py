# SPDX-License-Identifier: Apache-2.0
"""Usual names and addresses of licences, as a table.

Names are looked up case-folded, with `licence` spelled `license`, single spaces, without a leading
`the`; of a PyPI classifier the part after the last `::` is looked up. A name that covers several
licences stands for the most restrictive in common use: `BSD` for the three-clause licence, `GPLv2`
for that version only. Sources: https://pypi.org/classifiers, https://spdx.org/licenses,
https://huggingface.co/docs/hub/repositories-licenses.
"""

from __future__ import annotations

import re

_NAMES: dict[str, tuple[str, ...]] = {
    "MIT": ("mit license", "mit license (mit)", "mit/x11", "expat", "expat license", "mit-license"),
    "MIT-0": ("mit no attribution license (mit-0)", "mit no attribution"),
    "Apache-2.0": (
        "apache",
        "apache 2",
        "apache 2.0",
        "apache2",
        "apache2.0",
        "apache-2",
        "apache license",
        "apache license 2.0",
        "apache license, 2.0",
        "apache license version 2.0",
        "apache license, version 2.0",
        "apache license v2.0",
        "apache software license",
        "apache software license 2.0",
        "asl 2.0",
        "apl 2.0",
    ),
    "BSD-2-Clause": (
        "bsd 2-clause",
        "bsd 2-clause license",
        "bsd-2",
        "2-clause bsd",
        "2-clause bsd license",
        "simplified bsd",
        "simplified bsd license",
        "freebsd license",
    ),
    "BSD-3-Clause": (
        "bsd",
        "bsd license",
        "bsd-like",
        "bsd 3-clause",
        "bsd 3 clause",
        "bsd 3-clause license",
        "bsd-3",
        "3-clause bsd",
        "3-clause bsd license",
        "new bsd",
        "new bsd license",
        "modified bsd",
        "modified bsd license",
        "bsd-3-clause license",
    ),
    "0BSD": ("zero-clause bsd (0bsd)", "bsd zero clause license"),
    "ISC": ("isc license", "isc license (iscl)", "iscl"),
    "Zlib": ("zlib license", "zlib/libpng license", "zlib/libpng"),
    "BSL-1.0": ("boost software license", "boost software license 1.0 (bsl-1.0)", "boost"),
    "MPL-1.1": ("mozilla public license 1.1 (mpl 1.1)", "mpl 1.1"),
    "MPL-2.0": (
        "mozilla public license 2.0 (mpl 2.0)",
        "mozilla public license 2.0",
        "mozilla public license version 2.0",
        "mozilla public license, version 2.0",
        "mpl 2.0",
        "mpl2",
        "mplv2",
        "mpl v2",
    ),
    "EPL-1.0": ("eclipse public license 1.0 (epl-1.0)", "epl 1.0"),
    "EPL-2.0": ("eclipse public license 2.0 (epl-2.0)", "eclipse public license 2.0", "epl 2.0"),
    "EUPL-1.2": ("european union public licence 1.2 (eupl 1.2)".replace("licence", "license"),),
    "GPL-1.0-or-later": (
        "gpl",
        "gnu gpl",
        "gnu general public license",
        "gnu general public license (gpl)",
    ),
    "GPL-2.0-only": ("gplv2", "gpl v2", "gpl 2", "gpl2", "gnu general public license v2 (gplv2)"),
    "GPL-2.0-or-later": (
        "gplv2+",
        "gpl v2+",
        "gpl v2 or later",
        "gpl 2 or later",
        "gnu general public license v2 or later (gplv2+)",
    ),
    "GPL-3.0-only": (
        "gplv3",
        "gpl v3",
        "gpl 3",
        "gpl3",
        "gnu gplv3",
        "gnu gpl v3",
        "gnu general public license v3",
        "gnu general public license v3 (gplv3)",
        "gnu general public license v3.0",
    ),
    "GPL-3.0-or-later": (
        "gplv3+",
        "gpl v3+",
        "gpl v3 or later",
        "gnu general public license v3 or later (gplv3+)",
    ),
    "LGPL-2.0-or-later": (
        "lgpl",
        "gnu lgpl",
        "gnu lesser general public license",
        "gnu library or lesser general public license (lgpl)",
        "gnu lesser general public license v2 or later (lgplv2+)",
    ),
    "LGPL-2.0-only": ("gnu lesser general public license v2 (lgplv2)", "lgplv2"),
    "LGPL-2.1-only": (
        "lgplv2.1",
        "lgpl v2.1",
        "lgpl 2.1",
        "gnu lesser general public license v2.1",
    ),
    "LGPL-2.1-or-later": ("lgplv2.1+", "lgpl v2.1+"),
    "LGPL-3.0-only": (
        "lgplv3",
        "lgpl v3",
        "gnu lesser general public license v3 (lgplv3)",
    ),
    "LGPL-3.0-or-later": ("lgplv3+", "gnu lesser general public license v3 or later (lgplv3+)"),
    "AGPL-3.0-only": (
        "agpl",
        "agplv3",
        "agpl v3",
        "gnu affero general public license v3",
        "gnu affero general public license v3 (agplv3)",
    ),
    "AGPL-3.0-or-later": (
        "agplv3+",
        "gnu affero general public license v3 or later (agplv3+)",
    ),
    "PSF-2.0": ("psf", "psfl", "python software foundation license", "psf license"),
    "Python-2.0": ("python license (cnri python license)",),
    "Artistic-2.0": ("artistic license 2.0",),
    "Unlicense": (
        "unlicense",
        "the unlicense (unlicense)",
        "unlicense (unlicense)",
        "unlicensed.org",
    ),
    "WTFPL": ("wtfpl", "do what the fuck you want to public license"),
    "HPND": ("historical permission notice and disclaimer (hpnd)",),
    "UPL-1.0": ("universal permissive license (upl)",),
    "AFL-3.0": ("academic free license (afl)",),
    "ZPL-2.1": ("zope public license",),
    "MulanPSL-2.0": (
        "mulan permissive software license v2 (mulanpsl-2.0)",
        "mulan psl v2",
        "木兰宽松许可证第2版",
    ),
    "OFL-1.1": ("sil open font license 1.1 (ofl-1.1)", "ofl", "sil open font license"),
    "CC0-1.0": (
        "cc0",
        "cc-0",
        "cc0 1.0",
        "cc0 1.0 universal",
        "cc0 1.0 universal (cc0 1.0) public domain dedication",
        "creative commons zero",
        "creative commons zero v1.0 universal",
    ),
    "CC-PDM-1.0": ("public domain mark", "public domain mark 1.0", "pdm"),
    # Public domain is a claim about the law, not an instrument: it keeps an id of its own.
    "LicenseRef-scancode-public-domain": ("public domain", "publicdomain", "pd"),
    "ODC-By-1.0": ("odc-by", "odc by", "open data commons attribution license"),
    "ODbL-1.0": ("odbl", "open database license", "open data commons open database license"),
    "PDDL-1.0": ("pddl", "open data commons public domain dedication and license"),
    "OGL-UK-3.0": ("open government license v3.0", "ogl v3.0", "ogl 3.0", "ogl-uk 3.0"),
    "GFDL-1.1-or-later": (
        "gfdl",
        "gnu free documentation license",
        "gnu free documentation license (fdl)",
    ),
    "GFDL-1.2-only": ("gfdl 1.2",),
    "GFDL-1.3-only": ("gfdl 1.3",),
    "CDLA-Permissive-2.0": ("cdla permissive 2.0",),
    "CDLA-Sharing-1.0": ("cdla sharing 1.0",),
}

ALIASES: dict[str, str] = {name: spdx for spdx, names in _NAMES.items() for name in names}
"""Name, folded as the module says, to SPDX id."""

_WORDS = {
    "by": ("by", "attribution"),
    "nc": ("nc", "noncommercial"),
    "sa": ("sa", "sharealike"),
    "nd": ("nd", "noderivatives", "noderivs"),
}
_COMBINATIONS = (
    ("by",),
    ("by", "sa"),
    ("by", "nd"),
    ("by", "nc"),
    ("by", "nc", "sa"),
    ("by", "nc", "nd"),
)


def _spellings(parts: tuple[str, ...]) -> list[str]:
    spellings = [""]
    for part in parts:
        spellings = [before + word for before in spellings for word in _WORDS[part]]
    return spellings


CC_CODES: dict[str, str] = {
    spelling: "-".join(parts).upper() for parts in _COMBINATIONS for spelling in _spellings(parts)
}
"""Creative Commons elements run together (`bysa`, `attributionsharealike`) to their code."""

URL_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), template)
    for pattern, template in (
        (r"creativecommons\.org/publicdomain/zero/1\.0(?:/.*)?", "CC0-1.0"),
        (r"creativecommons\.org/publicdomain/mark/1\.0(?:/.*)?", "CC-PDM-1.0"),
        (r"opensource\.org/licenses?/([a-z0-9.-]+?)(?:-license)?(?:\.php|\.html)?/?", r"\1"),
        (r"spdx\.org/licenses/([a-z0-9.+-]+?)(?:\.html|\.json|\.txt)?/?", r"\1"),
        (r"choosealicense\.com/licenses/([a-z0-9.-]+?)/?", r"\1"),
        (r"apache\.org/licenses/license-2\.0(?:\.txt|\.html)?", "Apache-2.0"),
        (r"gnu\.org/licenses/(?:old-licenses/)?(gpl|lgpl|agpl)-(\d\.\d)(?:[.-].*)?", r"\1-\2-only"),
        (r"gnu\.org/licenses/(?:old-licenses/)?fdl-(\d\.\d)(?:[.-].*)?", r"GFDL-\1-only"),
        (r"mozilla\.org/(?:[a-z-]+/)?mpl/2\.0/?(?:index\.txt)?", "MPL-2.0"),
        (r"unlicense\.org/?", "Unlicense"),
        (r"opendatacommons\.org/licenses/odbl/(?:1[.-]0/?)?", "ODbL-1.0"),
        (r"opendatacommons\.org/licenses/by/(?:1[.-]0/?)?", "ODC-By-1.0"),
    )
)
"""Address, lower case, without scheme and `www.`, to SPDX id."""

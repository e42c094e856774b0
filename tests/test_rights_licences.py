# SPDX-License-Identifier: Apache-2.0
"""Licence fields become SPDX or stay unknown; nothing is upgraded."""

import pyarrow as pa
import pytest

from muniment.schemas.errors import ListError
from muniment.transforms.rights import (
    check_allowed,
    licence_allowed,
    normalise_licences,
    reconcile_licences,
)
from muniment.transforms.rights.licence_names import ALIASES
from muniment.transforms.rights.licences import LICENCES


def read(value):
    row = normalise_licences(pa.array([value], pa.string())).to_pylist()[0]
    return row["licence"], row["evidence"]


@pytest.mark.parametrize(
    ("value", "spdx"),
    [
        ("MIT", "MIT"),
        ("mit", "MIT"),
        ("apache-2.0", "Apache-2.0"),
        ("cc-by-sa-4.0", "CC-BY-SA-4.0"),
        (" MIT OR (apache-2.0 and BSD-3-Clause) ", "MIT OR (Apache-2.0 AND BSD-3-Clause)"),
        ("GPL-2.0-only with Classpath-exception-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"),
        ("GPL-3.0", "GPL-3.0-only"),
        ("GPL-2.0+", "GPL-2.0-or-later"),
    ],
)
def test_spdx_is_declared_and_spelled_canonically(value, spdx):
    assert read(value) == (spdx, "declared")


@pytest.mark.parametrize(
    ("value", "spdx"),
    [
        ("MIT License", "MIT"),
        ("The MIT Licence", "MIT"),
        ("License :: OSI Approved :: MIT License", "MIT"),
        ("License :: OSI Approved :: Apache Software License", "Apache-2.0"),
        ("License :: OSI Approved :: BSD License", "BSD-3-Clause"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("BSD", "BSD-3-Clause"),
        ("GPLv2", "GPL-2.0-only"),
        ("GPLv3+", "GPL-3.0-or-later"),
        ("GNU General Public License v3 or later (GPLv3+)", "GPL-3.0-or-later"),
        ("CC0", "CC0-1.0"),
        ("CC BY 4.0", "CC-BY-4.0"),
        ("CC_BY_SA_3.0", "CC-BY-SA-3.0"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International", "CC-BY-NC-ND-4.0"),
        ("Creative Commons Attribution-ShareAlike 4.0 International License", "CC-BY-SA-4.0"),
        ("https://creativecommons.org/licenses/by-sa/4.0/", "CC-BY-SA-4.0"),
        ("http://creativecommons.org/licenses/by/3.0/us/", "CC-BY-3.0-US"),
        ("http://www.creativecommons.org/licenses/by-nc/2.5/se/", "CC-BY-NC-2.5"),
        ("//creativecommons.org/licenses/by/4.0/legalcode.fr", "CC-BY-4.0"),
        ("creativecommons.org/licenses/by/4.0/deed.de", "CC-BY-4.0"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "CC0-1.0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        ("https://opensource.org/licenses/MIT", "MIT"),
        ("https://www.gnu.org/licenses/gpl-3.0.en.html", "GPL-3.0-only"),
        ("https://www.apache.org/licenses/LICENSE-2.0.txt", "Apache-2.0"),
        ("https://spdx.org/licenses/BSD-2-Clause.html", "BSD-2-Clause"),
        ("Public Domain", "LicenseRef-scancode-public-domain"),
        ("License :: OSI Approved :: MIT License\nLicense :: OSI Approved :: MIT License", "MIT"),
    ],
)  # fmt: skip
def test_usual_names_and_addresses_are_mapped(value, spdx):
    assert read(value) == (spdx, "mapped")


@pytest.mark.parametrize(
    "value",
    [
        None, "", " ", "unknown", "other", "proprietary", "UNKNOWN", "see LICENSE", "free",
        "CC0; all rights reserved", "CC0 (no permission to train)", "MIT, Apache-2.0", "MIT/GPL",
        "MIT AND", "MIT OR Foo", "NOT MIT", "CC-BY", "CC BY 9.0", "Creative Commons",
        "https://creativecommons.org/licenses/by/4.0/?x=cc0", "https://creativecommons.org/licenses/",
        "https://evil.net/https://creativecommons.org/publicdomain/zero/1.0/ all rights reserved",
        "https://opensource.org/licenses/", "MIT License\nApache License 2.0", "MIT\0", "(" * 150,
        "MIT License " + "x" * 5000,
    ],
)  # fmt: skip
def test_what_is_unclear_conflicting_or_a_remark_stays_unknown(value):
    # Reliability case 83: a claim is never upgraded.
    assert read(value) == ("unknown", "none")


def test_every_alias_is_spdx():
    assert check_allowed(sorted(set(ALIASES.values()))) == tuple(sorted(set(ALIASES.values())))


def test_whole_columns_with_offset_nulls_and_dictionaries():
    values = pa.array(["skipped", "mit", None, "BSD", "mit", "?"])[1:]
    for column in (values, values.dictionary_encode(), values.cast(pa.large_string())):
        read_back = normalise_licences(column)
        assert read_back.schema == LICENCES
        assert read_back.column("licence").to_pylist() == [
            "MIT", "unknown", "BSD-3-Clause", "MIT", "unknown",
        ]  # fmt: skip
    assert normalise_licences(values[:0]).num_rows == 0


def test_conflicting_claims_are_unknown():
    source = pa.array(["CC-BY-4.0", "CC-BY-4.0", "unknown", "unknown", "MIT"])
    record = pa.array(["CC0-1.0", "unknown", "MIT", "unknown", "MIT"])
    assert reconcile_licences([source, record]).to_pylist() == [
        "unknown", "CC-BY-4.0", "MIT", "unknown", "MIT",
    ]  # fmt: skip
    assert reconcile_licences([pa.array([None, "MIT"])]).to_pylist() == ["unknown", "MIT"]


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True),
        ("GPL-2.0-only", False),
        ("MIT OR GPL-2.0-only", True),
        ("MIT AND GPL-2.0-only", False),
        ("MIT AND Apache-2.0", True),
        ("(MIT OR GPL-2.0-only) AND Apache-2.0", True),
        ("MIT OR GPL-2.0-only AND GPL-3.0-only", True),
        ("(GPL-2.0-only OR GPL-3.0-only) AND MIT", False),
        ("Apache-2.0 WITH LLVM-exception", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("GPL-3.0-only WITH GCC-exception-3.1", True),
        ("GPL-3.0-only", False),
        ("unknown", False),
        ("no such licence", False),
        ("", False),
        (None, False),
    ],
)
def test_allow_lists_understand_expressions(licence, allowed):
    allow = ("mit", "Apache-2.0", "GPL-3.0-only WITH GCC-exception-3.1")
    assert licence_allowed(pa.array([licence], pa.string()), allow).to_pylist() == [allowed]


def test_an_allow_list_is_checked_and_the_message_says_which_entry():
    with pytest.raises(ListError, match="'BSD', 'MIT OR ISC': expected an SPDX licence id"):
        check_allowed(["MIT", "BSD", "MIT OR ISC"])
    with pytest.raises(ListError, match="at least one"):
        check_allowed([])

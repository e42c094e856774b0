# SPDX-License-Identifier: Apache-2.0
"""An engine's counters: a namespace for each stage, units and what they treated."""

from __future__ import annotations

import apache_beam as beam

from muniment.transforms.stages import count


def treat(number: int) -> int:
    count("annotate", records=number, bytes=10 * number)
    return number


def test_counters_add_up_by_stage():
    pipeline = beam.Pipeline(runner="FnApiRunner")
    _ = pipeline | beam.Create([1, 2, 3]) | beam.Map(treat)
    result = pipeline.run()
    result.wait_until_finish()
    counters = {
        (found.key.metric.namespace, found.key.metric.name): found.committed
        for found in result.metrics().query()["counters"]
    }
    assert counters == {
        ("muniment.annotate", "units"): 3,
        ("muniment.annotate", "records"): 6,
        ("muniment.annotate", "bytes"): 60,
    }

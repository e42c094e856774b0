# SPDX-License-Identifier: Apache-2.0
"""muniment: governed training corpora with a provenance manifest, on Apache Beam.

The package root re-exports nothing heavy: `muniment query` and `muniment card` must start
without loading Beam. Import what you need from its room:

- `muniment.schemas`: what a job, a table, a rule and an error are;
- `muniment.transforms`: kernels (Arrow in, Arrow out) and the PTransforms that wire them;
- `muniment.pipelines`: the jobs, the query layer, the card and the command line.
"""

__version__ = "0.1.0"

# SPDX-License-Identifier: Apache-2.0
"""Data contracts: what a job, a table, a rule and an error are.

- what users meet: `job` (and `job_file`, `yaml_tree`, which read it), `tables` (built of
  `fields`), `reasons`, `errors`;
- what stages leave for each other: `batches`, `staged`.

Imports neither Beam nor transforms.
"""

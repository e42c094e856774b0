# SPDX-License-Identifier: Apache-2.0
"""Runnable jobs, the query layer, the data card and the command line.

- submit: `cli` -> `run` -> `plan`, `launch` (engine), `progress`, `guards`, `commit` (`small_tables`); `demo`;
- ask: `release` (what is on disk), `query` (`named_queries`, `queries/`, `sandbox`), `explain`;
- prove: `verify` (`books`); publish: `card` (`card_sections`, `templates/`);
- `reference` writes the documentation of the job file and of the tables.

What asks, proves and publishes never imports Beam.
"""

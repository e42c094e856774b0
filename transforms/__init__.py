# SPDX-License-Identifier: Apache-2.0
"""Kernels (pure, Arrow in, Arrow out) and the PTransforms that wire them.

Read in this order:

- the job: `stages` (PTransforms) -> `stage_units` (which unit takes what) -> `units` (resume) ->
  `exchange` (the one shuffle) -> `storage` (forms of files) -> `stores/` (where they live and how
  they appear whole: a disk or an object store);
- one split: `annotate` measures it, `screen` applies `policy`, `finalize` decides (`outcomes`),
  redacts (`protect`) and writes (`ledger`, `corpus_json`); `run_state` is what workers know;
- reading: `reading/`; `dates`;
- identity: `buffers`, `hashing`, `canonical`, `keys`;
- duplicates: `exact`; `tokens` -> `minhash` -> `bands` -> `components` -> `verification`
  (`similarity_join`), wired by `near`;
- language and toxicity: `models`, `language`, `toxicity`, `folding`, `fasttext_*`;
- rights: `rights/`; personal data: `pii/`.

A kernel never imports Beam; only `stages`, `exchange` and `arrow_coder` do. Nothing here imports
`pipelines`.
"""

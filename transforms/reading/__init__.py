# SPDX-License-Identifier: Apache-2.0
"""The strict reader: input files to record batches, every byte accounted for.

Reading order: `splits` (what a file is, how it is cut or put together with others), `reader` (one
split to batches), `piece_reader` (one file of it, or a part of one), `streams` (decompression that
cannot end early), `window` (whole lines in memory), `jsonl` and `json_scan` (the JSON kernels),
`parquet`; of crawls: `crawl` (the loop over records), `warc_frames` and `gzip_members` (where records
are), `warc_record` (which are documents), `html_text` with `html_worker` (pages to text).
"""

from .limits import ReadLimits as ReadLimits
from .piece_reader import PieceReader as PieceReader
from .piece_reader import ReadTally as ReadTally
from .reader import SplitReader as SplitReader
from .splits import CRAWL_FORMATS as CRAWL_FORMATS
from .splits import FileFacts as FileFacts
from .splits import Piece as Piece
from .splits import Split as Split
from .splits import check_same_types as check_same_types
from .splits import inspect_file as inspect_file
from .splits import plan_splits as plan_splits
from .splits import printable as printable
from .wat import WatPages as WatPages
from .wat import wat_label as wat_label

# SPDX-License-Identifier: Apache-2.0
"""Personal data: what it is (`entities`), how it is found (`detect`) and replaced (`redact`)."""

from .counts import DocumentPii as DocumentPii
from .counts import document_counts as document_counts
from .detect import Detection as Detection
from .detect import detect as detect
from .detect import detect_pii as detect_pii
from .entities import ENTITIES as ENTITIES
from .entities import ENTITY as ENTITY
from .entities import EntityType as EntityType
from .ner import PiiModels as PiiModels
from .pattern import Pattern as Pattern
from .pattern import custom as custom
from .redact import RedactionPolicy as RedactionPolicy
from .redact import redact as redact
from .spans import SPANS as SPANS

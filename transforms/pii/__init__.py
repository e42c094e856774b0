# SPDX-License-Identifier: Apache-2.0
"""Personal data: what it is (`entities`), how it is found (`detect`) and replaced (`redact`)."""

from .counts import DocumentPii as DocumentPii
from .counts import document_counts as document_counts
from .counts import document_kinds as document_kinds
from .detect import Detection as Detection
from .detect import detect as detect
from .detect import detect_pii as detect_pii
from .entities import ENTITIES as ENTITIES
from .entities import ENTITY as ENTITY
from .entities import EntityType as EntityType
from .ner import PiiModels as PiiModels
from .pattern import Pattern as Pattern
from .pattern import custom as custom
from .redact import Redaction as Redaction
from .redact import RedactionPolicy as RedactionPolicy
from .redact import apply_policy as apply_policy
from .redact import redact as redact
from .redact import span_actions as span_actions
from .settings import PiiSettings as PiiSettings
from .settings import recogniser_facts as recogniser_facts
from .settings import settings_of as settings_of
from .spans import SPANS as SPANS

# SPDX-License-Identifier: Apache-2.0
"""What counts as personal data: every entity type with its grade, default action and source.

This table is data. Detectors name a type of this table and nothing else, the policy reads its
`action`, the card prints it. Grades follow GB/T 35273-2020 annex B and PIPL articles 28 and 31.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ...schemas.reasons import PiiGrade

Action = Literal["placeholder", "mask", "hash", "surrogate", "drop", "keep"]


@dataclass(frozen=True)
class EntityType:
    """One type of personal data.

    Args:
        name: The word in `entity_type`; Presidio's name where Presidio has one.
        grade: How grave a disclosure is.
        action: What redaction does by default; `keep` types are counted, never replaced.
        label: The word inside the placeholder, `[LABEL]`.
        validator: What confirms a hit.
        source: The standard or authority that defines the identifier.
    """

    name: str
    grade: PiiGrade
    action: Action
    label: str
    validator: str
    source: str


_G, _S, _X = PiiGrade.GENERAL, PiiGrade.SENSITIVE, PiiGrade.SECRET

ENTITIES: tuple[EntityType, ...] = (
    EntityType(
        "PERSON", _G, "placeholder", "PERSON", "named-entity recognition", "GB/T 35273-2020 annex A"
    ),
    EntityType(
        "LOCATION",
        _G,
        "keep",
        "LOCATION",
        "named-entity recognition, ISO 3166-1 names",
        "place name: address evidence only",
    ),
    EntityType(
        "STREET_ADDRESS",
        _G,
        "placeholder",
        "ADDRESS",
        "shape of the country, street words",
        "UPU S42 address elements",
    ),
    EntityType(
        "POSTAL_CODE",
        _G,
        "placeholder",
        "POSTCODE",
        "shape; state or cue beside it",
        "UPU S42; USPS Pub. 28; Royal Mail PAF",
    ),
    EntityType(
        "EMAIL_ADDRESS",
        _G,
        "placeholder",
        "EMAIL",
        "RFC 5321 lengths, top-level domain on the list",
        "RFC 5321, RFC 5322, IANA root zone",
    ),
    EntityType(
        "PHONE_NUMBER",
        _G,
        "placeholder",
        "PHONE",
        "numbering plan (libphonenumber), or a cue",
        "ITU-T E.164, libphonenumber",
    ),
    EntityType(
        "IP_ADDRESS",
        _G,
        "placeholder",
        "IP",
        "IANA: globally reachable",
        "RFC 791, RFC 4291, IANA registries",
    ),
    EntityType(
        "IP_ADDRESS_RESERVED",
        _G,
        "keep",
        "IP-RESERVED",
        "IANA: special purpose",
        "RFC 6890 special-purpose ranges",
    ),
    EntityType("MAC_ADDRESS", _G, "placeholder", "MAC", "EUI-48, not reserved", "IEEE 802 EUI-48"),
    EntityType(
        "MAC_ADDRESS_RESERVED",
        _G,
        "keep",
        "MAC-RESERVED",
        "registered prefix",
        "RFC 7042 section 2.1",
    ),
    EntityType(
        "DATE_OF_BIRTH",
        _S,
        "placeholder",
        "BIRTHDATE",
        "calendar day after a cue",
        "GB/T 35273-2020 annex A",
    ),
    EntityType("VEHICLE_PLATE", _G, "placeholder", "PLATE", "shape, a digit", "GA 36-2018"),
    EntityType("SOCIAL_ACCOUNT", _G, "placeholder", "ACCOUNT", "cue", "GB/T 35273-2020 annex A"),
    EntityType(
        "CREDIT_CARD",
        _S,
        "placeholder",
        "CARD",
        "Luhn, issuer range",
        "ISO/IEC 7812, JR/T 0008 (China)",
    ),
    EntityType(
        "IBAN_CODE", _S, "placeholder", "IBAN", "mod 97-10, length of the country", "ISO 13616"
    ),
    EntityType(
        "CRYPTO",
        _S,
        "placeholder",
        "WALLET",
        "base58check, bech32, or shape",
        "BIP 13, BIP 173, EIP 55",
    ),
    EntityType(
        "BANK_ACCOUNT",
        _S,
        "placeholder",
        "BANK-ACCOUNT",
        "cue, 8 to 30 digits",
        "GB/T 35273-2020 annex B",
    ),
    EntityType(
        "US_SSN",
        _S,
        "placeholder",
        "SSN",
        "areas, groups and serials that are issued",
        "SSA POMS RM 10201",
    ),
    EntityType("US_ITIN", _S, "placeholder", "ITIN", "groups that are issued", "IRS Pub. 1915"),
    EntityType("PASSPORT", _S, "placeholder", "PASSPORT", "cue and shape", "ICAO Doc 9303"),
    EntityType(
        "DRIVER_LICENCE", _S, "placeholder", "DRIVER-LICENCE", "cue and shape", "ISO/IEC 18013"
    ),
    EntityType("UK_NHS", _S, "placeholder", "NHS", "mod 11", "NHS data dictionary"),
    EntityType("UK_NINO", _S, "placeholder", "NINO", "prefixes that are issued", "HMRC NIM39110"),
    EntityType(
        "NATIONAL_ID",
        _S,
        "placeholder",
        "NATIONAL-ID",
        "python-stdnum",
        "national registers, see python-stdnum",
    ),
    EntityType(
        "CN_RESIDENT_ID",
        _S,
        "placeholder",
        "RESIDENT-ID",
        "ISO 7064 mod 11-2, province, birth date; cue for 15 digits",
        "GB 11643-1999, ISO 7064",
    ),
    EntityType("CN_USCC", _G, "placeholder", "USCC", "GB 32100 mod 31, registrar", "GB 32100-2015"),
    EntityType("CN_TRAVEL_PERMIT", _S, "placeholder", "TRAVEL-PERMIT", "cue and shape", "GA/T 704"),
    EntityType("HK_ID", _S, "placeholder", "HK-ID", "mod 11", "HK Immigration Department"),
    EntityType("MO_ID", _S, "placeholder", "MO-ID", "cue and shape", "Macao DSI"),
    EntityType(
        "TW_ID", _S, "placeholder", "TW-ID", "weighted mod 10", "Taiwan Ministry of the Interior"
    ),
    EntityType(
        "SECRET",
        _X,
        "placeholder",
        "SECRET",
        "provider's format, or entropy after a cue",
        "providers' published key formats",
    ),
    EntityType(
        "PRIVATE_KEY", _X, "placeholder", "PRIVATE-KEY", "armour lines", "RFC 7468, RFC 4880"
    ),
    EntityType(
        "UNJUDGED", _S, "placeholder", "WITHHELD", "none", "a document that could not be judged"
    ),
    EntityType("CUSTOM", _S, "placeholder", "CUSTOM", "the job's", "the job file"),
)
"""Every type; the order is also the tie-break of overlapping spans (later wins)."""

ENTITY: dict[str, EntityType] = {entity.name: entity for entity in ENTITIES}
"""Entity type by name."""

# SPDX-License-Identifier: Apache-2.0
"""Street addresses and postal codes of US, UK, DE, FR and CN, as rows of the pattern table.

Address lines have no check digit; what confirms them is a street word, a unit word, a postal code
of the right shape, or a cue ("lives at"). Word lists: USPS Publication 28 appendix C1 (the common
part), Royal Mail, Deutsche Post, La Poste (abbreviations of AFNOR XP Z10-011), GB/T 2260.
"""

from __future__ import annotations

from itertools import pairwise

import re2

from .pattern import Pattern
from .validators import Span, Text, text_of

_STREET = (
    "street|st|avenue|ave|av|road|rd|boulevard|blvd|drive|dr|lane|ln|court|"
    "ct|circle|cir|place|pl|square|sq|terrace|ter|"
    "highway|hwy|parkway|pkwy|way|crescent|cres|close|grove|gardens|mews|"
    "row|walk|plaza|trail|trl|alley|loop|pike|"
    "turnpike|expressway|broadway|quay|wharf|green|hill|rise|vale|view|park"
)
_STREET_FULL = (
    "street|avenue|road|boulevard|drive|lane|court|square|terrace|highway|parkway|crescent|broadway"
)
_STATE = (
    "AL|AK|AZ|AR|CA|CO|CT|DE|FL|GA|HI|IA|ID|IL|IN|KS|KY|LA|MA|MD|ME|MI|MN|"
    "MO|MS|MT|NC|ND|NE|NH|NJ|NM|NV|NY|"
    "OH|OK|OR|PA|RI|SC|SD|TN|TX|UT|VA|VT|WA|WI|WV|WY|DC|PR|GU|VI|AS|MP|AA|AE|AP"
)
_STATE_NAME = (
    "Alabama|Alaska|Arizona|Arkansas|California|Colorado|Connecticut|"
    "Delaware|Florida|Georgia|Hawaii|Idaho|Illinois|"
    "Indiana|Iowa|Kansas|Kentucky|Louisiana|Maine|Maryland|Massachusetts|"
    "Michigan|Minnesota|Mississippi|Missouri|"
    "Montana|Nebraska|Nevada|New Hampshire|New Jersey|New Mexico|New York|"
    "North Carolina|North Dakota|Ohio|Oklahoma|"
    "Oregon|Pennsylvania|Rhode Island|South Carolina|South Dakota|"
    "Tennessee|Texas|Utah|Vermont|Virginia|Washington|"
    "West Virginia|Wisconsin|Wyoming"
)
_ZIP = r"[0-9]{5}(?:-[0-9]{4})?"
_UK_POST = (
    r"(?:GIR ?0AA|[A-PR-UWYZ](?:[0-9]{1,2}|[A-HK-Y][0-9]{1,2}|[0-9]"
    r"[A-HJKPSTUW]|[A-HK-Y][0-9][ABEHMNPRVWXY]) ?[0-9][ABD-HJLNP-UW-Z]{2})"
)
_WORD = r"(?:\pL[\pL'’.\-]*|[0-9]{1,4}(?:st|nd|rd|th))"
_UP = (
    r"(?:\p{Lu}[\pL'’.\-]*|[0-9]{1,4}(?:st|nd|rd|th)|(?:de|la|le|du|des|der|"
    r"den|von|of|the|and|do|da|dos|del)\b)"
)
_NAME = r"(?:\p{Lu}[\pL'’.\-]*|[0-9]{1,2}(?:er|e)?\b)"
_UNIT = (
    r"(?i:suite|ste|apt|apartment|unit|flat|floor|fl|room|rm|building|bldg|"
    r"no|#)\.?[ ]?#?[0-9]{1,5}[A-Za-z]?\b"
)
# Between the parts of one address: a blank, a comma, a line break (with quoting marks after it).
_SEP = r"(?:[ \t]{0,3},?[ \t]{0,3}(?:\r?\n[ \t>?]{0,6}){0,2},?[ \t]{0,3})"
_CITY = r"(?:" + _UP + r"(?:[ -]" + _UP + r"){0,4})"
_US_TAIL = (
    r"(?:"
    + _SEP
    + _CITY
    + r")?"
    + _SEP
    + r"(?:(?:"
    + _STATE
    + r")|(?:"
    + _STATE_NAME
    + r"))\b(?:[ ,]{1,3}"
    + _ZIP
    + r"\b)?"
)
_TAIL = (
    r"(?:"
    + _SEP
    + _UNIT
    + r")?(?:"
    + _US_TAIL
    + r"|"
    + _SEP
    + r"(?:"
    + _CITY
    + _SEP
    + r"){0,2}"
    + _UK_POST
    + r"\b)?"
)
# Up to three lines of city, region, country, then a postal code: what follows a street line.
_BLOCK = r"(?:(?:" + _SEP + r"(?:\p{L}[\pL'’.()-]*[ ]?){1,6}){1,3}" + _SEP + r"[ ]?[0-9]{4,5}\b)"
_DE_TOWN = r"(?:D-)?[0-9]{5} \p{Lu}[\p{Ll}ß-]+(?: (?:am|an der|im|a\.)? ?\p{Lu}[\pL-]+)?"
_ADDRESS_CUE = (
    r"(?i:\b(?:address(?:\sis|\sof\s[^\n\[]{1,40}?\sis)?|lives?\sat|"
    r"living\sat|residing\sat|resides?\sat|located\sat|move[ds]?\sto|"
    r"deliver(?:ed|y)?\sto|ship(?:ped|ping)?\sto|mail(?:ed)?\sto|home\sis|"
    r"visit\sus\sat|anschrift|adresse|wohnhaft(?:\sin)?))"
    r"[:,]?[ \t\r\n>]{1,8}"
)

_ZH_PROVINCE = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|"
    "陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门|臺灣|廣東"
)
_H = r"[\p{Han}]"
_ZH_ROAD = (
    _H + r"{1,8}?(?:路|街|大街|大道|道|巷|弄|胡同|里|村|镇|乡|庄|屯|苑|"
    r"小区|花园|公寓|新村|家园|城|大厦|广场|工业园|园区|社区|路口)"
)
_ZH_NUM = r"[0-9A-Za-z一二三四五六七八九十百零〇甲乙丙东西南北-]{1,8}"
_ZH_HOUSE = (
    r"(?:" + _ZH_NUM + r"\s?(?:号楼|号院|弄|号|栋|幢|"
    r"座|单元|室|楼|层|组|户|門|门|房|期|区|巷|村|队|街坊|号室|梯)[,， ]?)"
)


def _address_words(data: Text, start: int, end: int) -> Span | None:
    """Confirm `number words street-word`: not a count in a sentence ("5 of the way")."""
    if _counts(data, start) or (end < len(data) and data[end] >= 0x80 and data[end - 1] > 64):
        return None  # A decimal, an amount, or a longer word ("st" of "større").
    words = text_of(data, start, end).split()
    small = sum(
        word.lower() in _NO_NAME and not (before.endswith(",") and word in _STATES_LIKE_WORDS)
        for before, word in pairwise(words)
    )
    # "at 7 AM CT", "8x DVD-ROM drive".
    first = words[1].strip(".,").lower() if len(words) > 1 else ""
    return None if small or first in _NO_STREET else (start, end)


_STATES_LIKE_WORDS = ("OR", "IN", "ME")
"""Oregon, Indiana, Maine: "Portland, OR 97201"."""
_NO_STREET = frozenset(["am", "pm", "a.m", "p.m", "dvd-rom", "cd-rom", "dvd", "gb", "mb"])


def _counts(data: Text, start: int) -> bool:
    """Whether the number at byte `start` is the rest of a decimal, a version or an amount."""
    if start == 0:
        return False
    before = data[start - 1]
    return before in b"$%&=_" or (start > 1 and before in b".,/-" and data[start - 2] > 32)


def _address_lower(data: Text, start: int, end: int) -> Span | None:
    """Confirm an address without capitals: words of measure and machines make it another thing.

    "6 million square feet", "45 minute drive", "10 GB hard drive", "bankruptcy court".
    """
    words = [word.strip(".,").lower() for word in text_of(data, start, end).split()]
    if not _MEASURES.isdisjoint(words[1:]):
        return None
    last = next((i for i, word in enumerate(words) if word in _WEAK_STREET), 0)
    if last and text_of(data, end, end + 8).lower().startswith((" f", "\nf", " m", "\nm", " k")):
        return None  # "48 per square foot", "a square\nmeter".
    return _address_words(data, start, end)


_WEAK_STREET = frozenset(["square"])
_MEASURES = frozenset(
    """million billion thousand hundred dozen percent per minute minutes min hour hours day days mile
    miles km gb mb tb kb ghz mhz hard disk disc cd dvd usb floppy tape flash test capable supreme
    district appeals federal bankruptcy high tennis food
    """.split()
)


def _address_unit(data: Text, start: int, end: int) -> Span | None:
    """Confirm an address by its unit: not the version of a program ("apt 0.5", "XML Suite 4.4")."""
    if end + 1 < len(data) and data[end] == 46 and 48 <= data[end + 1] <= 57:
        return None
    value = text_of(data, start, end)
    return None if value.rstrip("0").endswith(" ") else (start, end)


def _address_cue(data: Text, start: int, end: int) -> Span | None:
    """Confirm what follows "address:": a number and a name, no hexadecimal groups, no count."""
    words = text_of(data, start, end).replace(",", " ").split()
    name = words[1].lower() if len(words) > 1 else ""
    if not name or name in _NO_NAME or name in _MEASURES:
        return None
    hexadecimal = len(words) >= 4 and all(len(word) <= 2 for word in words[:4])
    return None if hexadecimal else (start, end)


_NO_NAME = frozenset(
    """of the in a an to is are was were and or for on at by from with this that as it i you he she
    we they his her my your our their be been has have had not no all any some more most other
    than then when""".split()
)


_NUMERAL = re2.compile("[0-9一二三四五六七八九十百零〇甲乙丙]")


def _zh_address(data: Text, start: int, end: int) -> Span | None:
    """Confirm a Chinese address and cut the words before it ("我住在", "地址是")."""
    value = bytes(data[start:end]).decode("utf-8", "replace")
    begin = 0
    for cue in (
        "地址",
        "住在",
        "家住",
        "位于",
        "住址",
        "寄到",
        "寄往",
        "送到",
        "搬到",
        "来自",
        "居住",
        "座落",
        "坐落",
        "收货",
        "我在",
        "就在",
        "在",
    ):
        at = value.rfind(cue, 0, 16)
        if at >= 0:
            begin = at + len(cue)
            break
    while begin < len(value) and value[begin] in "是为于在到：: ，,":
        begin += 1
    if len(value) - begin < 5 or not _NUMERAL.search(value[begin:]):
        return None
    return start + len(value[:begin].encode()), end


_UK_AREAS = frozenset(
    """AB AL B BA BB BD BF BH BL BN BR BS BT BX CA CB CF CH CM CO CR CT CV CW DA DD DE DG DH DL DN DT
    DY E EC EH EN EX FK FY G GL GU GY HA HD HG HP HR HS HU HX IG IM IP IV JE KA KT KW KY L LA LD LE
    LL LN LS LU M ME MK ML N NE NG NN NP NR NW OL OX PA PE PH PL PO PR RG RH RM S SA SE SG SK SL SM
    SN SO SP SR SS ST SW SY TA TD TF TN TQ TR TS TW UB W WA WC WD WF WN WR WS WV YO ZE GIR""".split()
)
"""Postcode areas (Royal Mail, Postcode Address File; the Crown dependencies included)."""
_UK_LETTERED = re2.compile(
    r"\A(?:E1W|N1[CP]|NW1W|SE1P|SW1[A-Z]|W1[A-Z]|EC[1-4][A-Z]|WC[12][A-Z])\z"
)
"""The districts whose number has a letter behind it, all in London."""


def _post_uk(data: Text, start: int, end: int) -> Span | None:
    """Confirm a British postcode: an area that exists; without its blank, it stands by itself."""
    value = text_of(data, start, end)
    outward = value[:-3].rstrip()
    area = outward.rstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ").rstrip("0123456789") or outward
    if area not in _UK_AREAS or (outward[-1].isalpha() and not _UK_LETTERED.search(outward)):
        return None
    if " " in value or area == "GIR":
        return start, end
    before, after = text_of(data, max(0, start - 1), start), text_of(data, end, end + 1)
    return (start, end) if before in _UK_BEFORE and after in _UK_AFTER else None


_UK_BEFORE, _UK_AFTER = ("", " ", "\n", ",", "(", "["), ("", " ", "\n", ",", ".", ")", "]", ";")

ADDRESSES: tuple[Pattern, ...] = (
    Pattern(
        "address:en",
        "STREET_ADDRESS",
        r"\b([0-9]{1,5}(?:[A-Za-z]|-[0-9]{1,4}|/[0-9]{1,3})?,? (?:(?:[NSEW]|NE|"
        r"NW|SE|SW)\.? |(?i:north|south|east|west) )?"
        r"(?:"
        + _UP
        + r" ){1,4}(?i:"
        + _STREET
        + r")\b\.?(?: (?:[NSEW]|NE|NW|SE|SW)\b)?"
        + _TAIL
        + r")",
        0.8,
        _address_words,
        46,
    ),
    Pattern(
        "address:en_lower",
        "STREET_ADDRESS",
        r"\b([0-9]{1,5}(?:[A-Za-z])?,? (?:"
        + _WORD
        + r" ){1,3}(?i:"
        + _STREET_FULL
        + r")\b\.?"
        + _TAIL
        + r")",
        0.6,
        _address_lower,
        44,
    ),
    Pattern(
        "address:unit",
        "STREET_ADDRESS",
        # [number] words [number], unit: the unit word is what says address.
        r"(?:^|[\s>?,:])((?:[0-9]{1,5}[A-Za-z]?[ ]{1,2})?(?:[0-9]{0,5}[ ]?(?:"
        + _WORD
        + r"[ ,.]{1,2}){1,6}[0-9]{0,5}[A-Za-z]?|[0-9]{1,5}[ ]"
        + r"(?:"
        + _WORD
        + r"[ ]?){1,5})"
        + _SEP
        + r"(?i:suite|apt|apartment|flat|unit)\.?[ ]?#?[0-9]{1,5}[A-Za-z]?\b(?:"
        + _SEP
        + _ZIP
        + r"\b|"
        + _BLOCK
        + r")?)",
        0.65,
        _address_unit,
        42,
    ),
    Pattern(
        "address:unit_alone",
        "STREET_ADDRESS",
        r"\b((?i:suite|apt|apartment|flat)\.? ?#?[0-9]{1,5}[A-Za-z]?\b(?:"
        + _SEP
        + _ZIP
        + r"\b|"
        + _BLOCK
        + r")?)",
        0.55,
        _address_unit,
        41,
    ),
    Pattern(
        "address:box",
        "STREET_ADDRESS",
        r"\b((?i:p\.? ?o\.? ?box|postfach|bo[iî]te postale|(?:psc|unit|cmr)"
        r" [0-9]{1,6},? box) [0-9]{1,6}(?:" + _US_TAIL + r")?)\b",
        0.75,
        None,
        45,
    ),
    Pattern(
        "address:military",
        "STREET_ADDRESS",
        r"\b((?:USS|USNS|USNV|USCGC) "
        + _CITY
        + _SEP
        + r"(?:FPO|APO|DPO),? (?:AA|AE|AP),? [0-9]{5})\b",
        0.9,
        None,
        47,
    ),
    Pattern(
        "address:apo",
        "STREET_ADDRESS",
        r"\b((?:FPO|APO|DPO),? (?:AA|AE|AP),? [0-9]{5})\b",
        0.9,
        None,
        45,
    ),
    Pattern(
        "address:cue",
        "STREET_ADDRESS",
        _ADDRESS_CUE
        + r"([0-9]{1,5}[A-Za-z]?(?:[ ,]{1,2}(?:"
        + _WORD
        + r"|[0-9]{1,5})){1,8}(?:"
        + _SEP
        + r"(?:"
        + _WORD
        + r"|[0-9]{1,6})(?:[ ,]{1,2}(?:"
        + _UP
        + r"|[0-9]{1,6})){0,4}){0,3})",
        0.7,
        _address_cue,
        43,
    ),
    Pattern(
        "address:de",
        "STREET_ADDRESS",
        # "-ring" and "-markt" also end English words ("Monitoring 5"): only with a postal code.
        r"(?:^|[^0-9A-Za-z])((?:\p{Lu}[\pL.-]* ){0,2}(?:\p{Lu}[\pL-]+(?:straße|"
        r"strasse|str\.|str|weg|platz|allee|gasse|damm|ufer|steig|chaussee)|"
        r"(?:Straße|Strasse|Str\.|Weg|Platz|Allee|Gasse|Damm|Ufer))\s[0-9]{1,4}\s?[a-z]?\b"
        r"(?:"
        + _SEP
        + _DE_TOWN
        + r")?|\p{Lu}[\pL.-]*(?: \p{Lu}[\pL.-]*)?\s[0-9]{1,4}\s?[a-z]?\b"
        + _SEP
        + _DE_TOWN
        + r")",
        0.75,
        None,
        46,
    ),
    Pattern(
        "address:fr",
        "STREET_ADDRESS",
        r"\b([0-9]{1,4}(?: ?(?:bis|ter|quater))?,? (?:[bB]d|(?i:rue|avenue|av\.|"
        r"boulevard|bd\.|bld|place|all[ée]e|chemin|impasse|quai|cours|route|"
        r"square|passage|faubourg|villa))"
        r"(?: (?:de|du|des|la|le|les|l'|d'|et|en|sous|sur|aux?|"
        + _NAME
        + r")){1,6}(?:"
        + _SEP
        + r"(?:F-)?[0-9]{5} \p{Lu}[\pL-]+(?:[ -]\p{Lu}?[\pL-]+){0,3})?)",
        0.75,
        None,
        47,
    ),
    Pattern(
        "address:south",
        "STREET_ADDRESS",
        r"\b((?i:calle|c/|carrera|avenida|avda\.?|rua|via|viale|piazza|corso|"
        r"plaza|paseo|largo|travessa|ul\.|ulica)(?: (?:de|del|da|do|dos|la|las|"
        r"los|" + _UP + r")){1,5},? (?:n[º°.]? ?)?[0-9]{1,5}\b)",
        0.7,
        None,
        46,
    ),
    Pattern(
        "post:us", "POSTAL_CODE", r"\b(?:" + _STATE + r")[ ,]{1,2}(" + _ZIP + r")\b", 0.7, None, 35
    ),
    Pattern(
        "post:us_cue",
        "POSTAL_CODE",
        r"(?i:\b(?:zip|zip ?code|postal ?code|postcode|plz|code postal)\b)"
        r"[^0-9A-Za-z\[\n]{0,4}(?:(?i:is) )?(" + _ZIP + r"|" + _UK_POST + r")\b",
        0.8,
        None,
        36,
    ),
    Pattern("post:uk", "POSTAL_CODE", r"\b(" + _UK_POST + r")\b", 0.6, _post_uk, 34),
    Pattern(
        "post:zh_cue",
        "POSTAL_CODE",
        r"(?:邮编|邮政编码|郵編)(?:\s|[:：是为]){0,4}([0-9]{6})\b",
        0.85,
        None,
        36,
    ),
    Pattern(
        "address:zh",
        "STREET_ADDRESS",
        r"((?:(?:中国)?(?:"
        + _ZH_PROVINCE
        + r")(?:省|市|自治区|壮族自治区|回族自治区|维吾尔自治区|特别行政区)?)?\s?(?:"
        + _H
        + r"{1,8}?(?:市|自治州|盟|地区|县|区|旗|新区|开发区|镇|乡|街道)\s?){1,4}"
        r"(?:" + _ZH_ROAD + r"\s?){0,3}" + _ZH_HOUSE + r"{1,5}(?:\s?[0-9]{3,6}\b)?)",
        0.8,
        _zh_address,
        46,
    ),
    Pattern(
        "address:zh_road",
        "STREET_ADDRESS",
        r"("
        + _H
        + r"{2,8}?(?:路|街|大街|大道|巷|弄|胡同|小区|花园|公寓|新村|苑)\s?"
        + _ZH_HOUSE
        + r"{1,5}(?:\s?[0-9]{3,6}\b)?)",
        0.65,
        _zh_address,
        45,
    ),
)
"""Patterns of addresses."""

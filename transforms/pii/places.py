# SPDX-License-Identifier: Apache-2.0
"""Names of countries (ISO 3166-1 short names and common forms), for place spans beside NER."""

from __future__ import annotations

from typing import Any

import re2

_COUNTRIES = (
    "Afghanistan|Albania|Algeria|Andorra|Angola|Antigua and Barbuda|"
    "Argentina|Armenia|Australia|Austria|Azerbaijan|"
    "Bahamas|Bahrain|Bangladesh|Barbados|Belarus|Belgium|Belize|Benin|Bermuda|Bhutan|Bolivia|"
    "Bosnia and Herzegovina|Botswana|Brazil|Brunei|Bulgaria|Burkina Faso|"
    "Burundi|Cambodia|Cameroon|Canada|"
    "Cape Verde|Cabo Verde|Central African Republic|Chile|China|Colombia|"
    "Comoros|Costa Rica|Croatia|Cuba|Cyprus|"
    "Czech Republic|Czechia|Côte d['’]Ivoire|Ivory Coast|Denmark|Djibouti|"
    "Dominica|Dominican Republic|East Timor|"
    "Ecuador|Egypt|El Salvador|England|Equatorial Guinea|Eritrea|Estonia|"
    "Eswatini|Ethiopia|Fiji|Finland|France|Gabon|"
    "Gambia|Germany|Ghana|Greece|Greenland|Grenada|Guatemala|Guinea-Bissau|"
    "Guinea|Guyana|Haiti|Honduras|Hong Kong|"
    "Hungary|Iceland|India|Indonesia|Iran|Iraq|Ireland|Israel|Italy|"
    "Jamaica|Japan|Kazakhstan|Kenya|Kiribati|Kosovo|"
    "Kuwait|Kyrgyzstan|Laos|Latvia|Lebanon|Lesotho|Liberia|Libya|"
    "Liechtenstein|Lithuania|Luxembourg|Macau|Macedonia|"
    "Madagascar|Malawi|Malaysia|Maldives|Mali|Malta|Marshall Islands|"
    "Mauritania|Mauritius|Mexico|Micronesia|Moldova|"
    "Monaco|Mongolia|Montenegro|Morocco|Mozambique|Myanmar|Namibia|Nauru|"
    "Nepal|Netherlands|New Zealand|Nicaragua|"
    "Nigeria|Niger|North Korea|Norway|Oman|Pakistan|Palau|Palestine|Panama|"
    "Papua New Guinea|Paraguay|"
    "People['’]s Republic of China|Peru|Philippines|Poland|Portugal|"
    "Puerto Rico|Qatar|Romania|Russia|Rwanda|"
    "Saint Kitts and Nevis|Saint Lucia|Saint Vincent and the Grenadines|"
    "Samoa|San Marino|Saudi Arabia|Scotland|"
    "Senegal|Serbia|Seychelles|Sierra Leone|Singapore|Slovakia|Slovenia|"
    "Solomon Islands|Somalia|South Africa|"
    "South Korea|South Sudan|Spain|Sri Lanka|Sudan|Suriname|Swaziland|"
    "Sweden|Switzerland|Syria|Taiwan|Tajikistan|"
    "Tanzania|Thailand|Togo|Tonga|Trinidad and Tobago|Tunisia|Turkmenistan|Tuvalu|Uganda|Ukraine|"
    "United Arab Emirates|United Kingdom|United States(?: of America)?|"
    "Uruguay|Uzbekistan|Vanuatu|Vatican City|"
    "Venezuela|Vietnam|Wales|Western Sahara|Yemen|Zambia|Zimbabwe"
)
# Also words or given names in lower case, so only as written.
_CASED = "Chad|Jordan|Georgia|Turkey|Oman"


def _compile() -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(rf"\b(?:(?i:{_COUNTRIES})|{_CASED})\b", options)


COUNTRY: Any = _compile()
"""RE2 expression of a country name."""

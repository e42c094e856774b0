# SPDX-License-Identifier: Apache-2.0
"""Common given names of English-speaking countries: what a news-trained model misses in chat.

The names are the most frequent of the US Social Security Administration's national data (public
domain) and the UK Office for National Statistics' baby names (OGL), 1950-2010, by hand. Measured on
WNUT17 (train) beside spaCy md: see `benchmarks/pii_accuracy.py --part names`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import re2

_NAMES = (
    "Aaron|Abigail|Adam|Adrian|Aiden|Alan|Albert|Alex|Alexander|Alexandra|"
    "Alexis|Alice|Alicia|Alison|Allison|Alyssa|"
    "Amanda|Amber|Amelia|Amy|Andrea|Andrew|Andy|Angela|Angelina|Anita|Ann|"
    "Anna|Anne|Annie|Anthony|Antonio|Arthur|Ashley|"
    "Ashlee|Audrey|Austin|Ava|Barbara|Barry|Beatrice|Becky|Ben|Benjamin|"
    "Bernard|Beth|Bethany|Betty|Beverly|Bob|Bobby|Bonnie|"
    "Brad|Bradley|Brandon|Brenda|Brendan|Brett|Brian|Brianna|Britney|"
    "Brittany|Bruce|Bryan|Caitlin|Callum|Cameron|Carl|Carla|"
    "Carlos|Carmen|Carol|Caroline|Carolyn|Catherine|Cathy|Charles|Charlie|"
    "Charlotte|Chelsea|Cheryl|Chloe|Chris|Christian|"
    "Christina|Christine|Christopher|Cindy|Claire|Clara|Clare|Colin|Connor|"
    "Corey|Courtney|Craig|Crystal|Cynthia|Daisy|Dan|"
    "Dana|Daniel|Danielle|Danny|Darren|Dave|David|Deborah|Debra|Denise|"
    "Dennis|Derek|Diana|Diane|Dominic|Don|Donald|Donna|"
    "Doris|Dorothy|Doug|Douglas|Duncan|Dylan|Eddie|Edward|Eileen|Elaine|"
    "Eleanor|Elena|Eli|Elijah|Elizabeth|Ella|Ellen|Emily|"
    "Emma|Eric|Erica|Erika|Erin|Ethan|Eugene|Eva|Evan|Evelyn|Felix|Fiona|"
    "Frances|Francis|Fred|Gabriel|Gareth|Gary|Gavin|"
    "Gemma|George|Gerald|Gina|Glenn|Gloria|Gordon|Graham|Greg|Gregory|"
    "Hannah|Harold|Harriet|Harry|Hayley|Heather|Heidi|Helen|"
    "Henry|Holly|Howard|Hugh|Ian|Isaac|Isabel|Isabella|Isla|Jacob|"
    "Jacqueline|Jake|James|Jamie|Jan|Jane|Janet|Janice|Jared|"
    "Jasmine|Jason|Jay|Jean|Jeff|Jeffrey|Jen|Jenna|Jennifer|Jenny|Jeremy|"
    "Jerry|Jesse|Jessica|Jessie|Jill|Jim|Jimmy|Joan|"
    "Joanna|Joanne|Joe|Joel|John|Johnny|Jon|Jonathan|Jose|Joseph|Josh|"
    "Joshua|Joyce|Juan|Judith|Judy|Julia|Julian|Julie|"
    "Justin|Karen|Karl|Kate|Katherine|Kathleen|Kathryn|Kathy|Katie|Kayla|"
    "Keith|Kelly|Kelsey|Ken|Kenneth|Kerry|Kevin|Kieran|"
    "Kim|Kimberly|Kirsty|Kristen|Kristin|Kyle|Larry|Laura|Lauren|Leah|Leo|"
    "Leon|Leonard|Lewis|Liam|Lilly|Linda|Lindsay|Lindsey|"
    "Lisa|Logan|Lori|Louis|Louise|Lucas|Lucy|Luis|Luke|Lydia|Lynn|"
    "Mackenzie|Maddie|Madison|Maggie|Marcus|Margaret|Maria|Marie|"
    "Marilyn|Mario|Marion|Martha|Martin|Mary|Mason|Matt|Matthew|Maureen|"
    "Max|Megan|Melanie|Melissa|Mia|Michael|Michelle|Miguel|"
    "Mike|Mitchell|Molly|Monica|Morgan|Nancy|Naomi|Natalie|Natasha|Nathan|"
    "Neil|Nicholas|Nick|Nicola|Nicole|Nigel|Nina|Noah|"
    "Nora|Norman|Olivia|Oliver|Oscar|Owen|Pamela|Patricia|Patrick|Paul|"
    "Paula|Pauline|Peggy|Pete|Peter|Phil|Philip|Phillip|"
    "Phoebe|Phyllis|Rachael|Rachel|Ralph|Randy|Raymond|Rebecca|Richard|"
    "Rick|Rita|Rob|Robert|Roberto|Robin|Roger|Ron|Ronald|"
    "Rory|Rosemary|Ross|Roy|Russell|Ruth|Ryan|Sally|Sam|Samantha|Samuel|"
    "Sandra|Sara|Sarah|Scott|Sean|Sebastian|Selena|Shane|"
    "Shannon|Sharon|Shaun|Shawn|Sheila|Shirley|Simon|Sofia|Sophia|Sophie|"
    "Stacey|Stacy|Stanley|Stephanie|Stephen|Steve|Steven|"
    "Stuart|Sue|Susan|Suzanne|Sylvia|Tamara|Tammy|Tara|Taylor|Ted|Teresa|"
    "Terry|Theodore|Theresa|Thomas|Tiffany|Tim|Timothy|"
    "Tina|Toby|Todd|Tom|Tommy|Tony|Tracey|Tracy|Trevor|Tyler|Valerie|"
    "Vanessa|Veronica|Victor|Victoria|Vincent|Virginia|"
    "Walter|Wanda|Wayne|Wendy|Wesley|William|Zachary|Zoe"
)
# Also words, months, places or verbs: only before another capitalised word.
_AMBIGUOUS = (
    "April|Art|Bill|Charity|Christian|Crystal|Daisy|Dale|Dawn|Drew|Faith|"
    "Frank|Gene|Glen|Grace|Grant|Guy|Hope|Iris|Ivy|"
    "Jack|Joy|June|Lance|Lily|Mark|May|Melody|Miles|Nick|Pat|Ray|Rob|Rose|"
    "Ruby|Stella|Sue|Summer|Violet|Will|Jordan|Austin|"
    "Logan|Virginia|Chelsea|Madison|Sydney|Georgia|Florence|Victoria|Mason|"
    "Max|Don|Jean|Jan|Jay|Ken|Robin|Amber|Jasmine|"
    "Holly|Morgan|Shannon|Taylor|Tyler|Carter|Parker|Hunter|Chase|Rich|Earl|Dean|Bob"
)
_SURNAME = r"(?:\s(?:(?:de|da|van|von|der|la|bin|al)\s)?\p{Lu}['’]?\p{L}[\p{L}'’-]*)"


def _compile() -> Any:
    options = re2.Options()
    options.log_errors = False
    sure = "|".join(sorted(set(_NAMES.split("|")) - set(_AMBIGUOUS.split("|"))))
    return re2.compile(rf"\b((?:{sure}){_SURNAME}?|(?:{_AMBIGUOUS}){_SURNAME})(?:\b|$)", options)


_NAMED = _compile()
# A capitalised word after a given name that makes it a place, a firm or a title.
_NOT_PERSON = frozenset(
    "Street St Avenue Road Lane Drive Park Hill River Lake County City Airp"
    "ort University College School Hospital "
    "Island Islands Company Inc Ltd LLC Corp Bank Group Hotel Club Day Chur"
    "ch Center Centre Award Prize Cup Stadium "
    "Bridge Square Castle Palace Bay Beach Valley Mountain Museum Institute Foundation".split()
)


def given_names(text: str) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of a common given name, with a capitalised word after it, if any."""
    for match in _NAMED.finditer(text):
        start, end = match.span(1)
        last = text[start:end].rpartition(" ")[2].rpartition("\n")[2]
        if last not in _NOT_PERSON:
            yield start, end - 2 if text[start:end].endswith(("'s", "\u2019s")) else end

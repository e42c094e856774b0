# SPDX-License-Identifier: Apache-2.0
"""Which of the persons that a Chinese tagger reports can be names, by surname, length and context.

LAC reports as persons the Latin words, lone characters and epithets of manuals and poems. Kept are:
a listed surname with a given name of one or two characters; a transliterated name; a form of
endearment (小王, 阿强, 王哥); a lone surname before a form of address; a Latin name on the list of
`givennames`. Surnames: the Hundred Family Surnames (11th century, public domain), those of Faker
40.54.0 for zh_CN and zh_TW (MIT), and 释 of monks.
"""

from __future__ import annotations

import re

from .givennames import name_list

_SURNAMES = frozenset(
    "丁万丘丛东严丰乌乐乔乜习于云亓井亢仇从仝仰仲任伊伍伏但位何佘余佟侯俞信修倪傅储儲元充党全"
    "公兰关养冀冉农冯况冶冷冼凃凌凤刁刘初利别劉劳勞勾包匡区华卓单南卜卞卢卫印危卿厉厍原厲双古"
    "史叶司吉后向吕吳吴呂周呼和咸哈唐商喬單喻嚴国堵塗夏夔奉奚姚姜姬娄婁孔孙孟季孫宁安宋宓宗官"
    "宣宦宫宰家容宾宿寇富寧寿封尉尚尤尧尹居屈展屠山岑岳崔嵇巢左巩巫巴帅师席常干平幸广庄应庞康"
    "庾廉廖弓弘张張强彭徐怀惠慎慕應戈戎成战戚戴房扈扶揭支敖敬文斯方於施时昌明易昝晁時晋晏普景"
    "智暨暴曲曹曾朱朴权李杜束来杨杭東松林柏查柯柳柴栗栾桂桑桓梁梅植楊楚楼榮樂樊檀權欒欧歐步武"
    "殳殴段殷毋母毕毛水江池汤汪汲沃沈沙洪浦海涂温游湛湯溫滑滕满漆潘濮焦熊燕牛牟牧狄玉王班璩甄"
    "甘田由申留畢白皮益盖盘盛盧相瞿石祁祖祝禄禹秋秦程穆空窦竇章童竺符简管簡籃籍米粘粟糜紀紅索"
    "練繆红纪练终经缪罗羅羊羿翁習翟耿聂聶肅肖胡胥能臧舒艾芦芮花苍苏苑苗苟范茅茹荀荆荣莊莘莫華"
    "萧萬葉葛董蒋蒙蒯蒲蓋蓝蓟蓬蔚蔡蔣蔺蕭薄薛藍藺蘇蘭虞融衛衡衣袁裘裴褚覃解計許訾詹談諸謝譚计"
    "许诸谈谌谢谭谷豆豐貝貢費賀賁賈賴贝贡贲费贺贾赖赫赵越趙路車车辛辜農边连迟逄通連逯遊邊邓邝"
    "邢那邬邰邱邴邵邸邹郁郎郏郑郗郜郝郦郭都鄂鄒鄔鄞鄢鄧鄭酆酈释釋金鈄鈕錢鍾鐘钟钭钮钱银閔閻闕"
    "關门闭闵闻阎阙阚阮阳阴阿陆陈陰陳陶陸陽隆隋隗雍雲雷霍靳鞏鞠韋韓韦韩韶項須顏顧项须顾颜養饒"
    "饶馬馮駱马骆高魏魚魯鮑鱼鲁鲍鲜鳳鹿麥麦麻黃黄黎黨齊齐龍龎龐龔龙龚"
)
_COMPOUND = frozenset(
    (
        "欧阳 歐陽 范姜 司馬 諸葛 上官 東方 皇甫 尉遲 公孫 慕容 令狐 司徒 "
        "夏侯 宇文 長孫 端木 獨孤 南宮 司马 诸葛 东方 尉迟 公孙 长孙 独孤 "
        "南宫 "
    ).split()
)
# Characters that write the sounds of foreign names (Xinhua's transcription tables, by hand).
_SOUNDS = frozenset(
    "丁丘丝丹丽乌乔亚亞亨什伊休伦伯佐佛佩依倫儒克兰兹冈凯切列利加努劳勒勞华南博卡卢古史司吉哈"
    "唐喬嘉因圣坎坦埃培基塔塞夏多大夫奇奈契奥奧姆姬威娅娜婕婭婷安宾密尔尚尼岡川巴布希帕席库庭"
    "康廷弗彼德恩惠愛戈戴扎托扬拉拜撒文斯普曼朗本朱杜杰松林查柯格桀桑梅森欧歐武比汀汉汤沃沙法"
    "波泰泽洛海温湯溫漢潘澤烏爱爾特狄玛珀琳琼瑞瑪瓊瓦登皮盖盛盧福科穆米約納索絲維约纳维罗羅美"
    "翠考耶聖肖肯胡舍艾芝苏若英茜茲莉莎莫莱菱菲萊萨蒂蒙蓋薇薩蘇蘭西詹諾謝诺谢貝費賓贝费赫路辛"
    "达迈迪道達邁里錫锡门阿雅雪雷霍韋韦頓顿香馬马魯鲁麗默黛齐龍龙"
)
_FAMILIAR = frozenset("小老阿大")
_RELATION = frozenset("哥姐叔姨总董某")
_ADDRESS = (
    "先生",
    "女士",
    "小姐",
    "太太",
    "老师",
    "老師",
    "教授",
    "医生",
    "大夫",
    "经理",
    "主任",
    "某",
    "总",
)
_DOTS = re.compile("[·•・]")
_HAN = re.compile("[\u3400-\u9fff]+")


def chinese_person(text: str, start: int, end: int) -> tuple[int, int] | None:
    """Return where in a reported person the name is, or None if it can be none.

    Args:
        text: What the tagger read.
        start: First character of the reported person.
        end: After its last.

    Returns:
        (start, end) without blanks around, or None.
    """
    value = text[start:end]
    start += len(value) - len(value.lstrip())
    value = value.strip()
    end = start + len(value)
    if value.isascii() or not _HAN.search(value):
        known = any(word.lower() in name_list().given for word in re.findall(r"[^\W\d_]+", value))
        return (start, end) if known and value[:1].isupper() else None
    parts = _DOTS.split(value)
    if not all(_HAN.fullmatch(part) for part in parts if part):
        return None
    if len(parts) > 1 or _is_name(value):
        return start, end
    if len(value) == 1 and value in _SURNAMES and text.startswith(_ADDRESS, end):
        return start, end
    return None


def _is_name(value: str) -> bool:
    """Whether Han characters are shaped like a Chinese or a transliterated name."""
    size = len(value)
    if value[0] in _SURNAMES and 2 <= size <= 3:
        return True
    # Two names in a row, which the tagger often reports as one.
    if value[0] in _SURNAMES and 4 <= size <= 6 and _SURNAMES.intersection(value[2:4]):
        return True
    if value[:2] in _COMPOUND and 3 <= size <= 4:
        return True
    if size == 2 and (value[0] in _FAMILIAR or value[1] in _RELATION):
        return True
    return 3 <= size <= 8 and _SOUNDS.issuperset(value)

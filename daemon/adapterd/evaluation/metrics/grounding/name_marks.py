"""Names in scripts without capital letters: by titles, speech and kinds of places beside them."""

from collections.abc import Iterator

import regex

from adapterd.evaluation.metrics.grounding.forms import key
from adapterd.evaluation.metrics.grounding.names import NameIn

PAIRS = 0.75
"""The share of the pairs of letters of a value that a text has, if it has the value in one form or another."""
_SURNAMES = (
    "王李张張刘劉陈陳杨楊黄黃赵趙吴吳周徐孙孫马馬朱胡郭何高林罗羅郑鄭梁谢謝宋唐许許韩韓冯馮邓鄧曹彭曾肖田董袁潘于蒋蔣蔡余杜"
    "叶葉程苏蘇魏吕呂丁任沈姚卢盧姜崔钟鐘谭譚陆陸汪范石廖贾賈夏韦韋付方白邹鄒孟熊秦邱江尹薛闫段雷侯龙龍史陶黎贺賀顾顧毛郝龚龔邵万"
)
_CHINESE = regex.compile(
    rf"(?P<name>[{_SURNAMES}]\p{{Han}}{{1,2}})(?=先生|女士|小姐|教授|博士|市长|校长|经理|老师|医生|主任|部长|院长|说|表示|认为|指出|告诉|称)"
    r"|(?P<name>\p{Han}{2,4}(?:·\p{Han}{2,5})+)"
    r"|《(?P<name>[^》]{2,30})》"
    r"|(?:在|位于|来自|从|到|去|于)(?P<name>\p{Han}{2,3})(?=市|省|县|镇|村|区)"
)
_JAPANESE = regex.compile(
    r"(?P<name>[\p{Han}々]{2,4}|[\p{Katakana}ー]{2,10})(?=さん|氏(?!名)|様|先生|教授|博士|社長|市長|部長|県|市(?!長|場|民))"
    r"|(?P<name>[\p{Katakana}ー]{2,10}・[\p{Katakana}ー・]{2,20})|『(?P<name>[^』]{2,30})』"
)
_KOREAN = regex.compile(
    r"(?<!\p{Hangul})(?P<name>[김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주우구민진지]\p{Hangul}{1,2})"
    r"(?= ?(?:씨|교수|박사|시장|대표|사장|회장|의원|기자|감독|원장))"
)
_ARABIC = regex.compile(
    r"(?:^|[\s(])[وبلكف]{0,2}(?:السيدة?|الدكتورة?|الأستاذة?|المهندسة?|الرئيس|الوزيرة?|الأمير|الشيخ|الكاتبة?)\s+"
    r"(?P<name>\p{Arabic}+)(?:\s+(?P<second>\p{Arabic}{3,}))?"
    r"|(?:^|\s)[وبلف]?(?P<unsure>(?:مدينة|قرية|شركة|جامعة)\s+\p{Arabic}+)"
)
_HINDI = regex.compile(
    r"(?:श्रीमती|श्री|डॉक्टर|डॉ\.?|प्रोफ़ेसर|प्रोफेसर|सुश्री|कुमारी)\s+(?P<name>[\p{Devanagari}]+)(?:\s+(?P<second>\p{Devanagari}{3,}))?"
    r"|(?P<name>\p{Devanagari}{2,})\s+(?:जी|शर्मा|सिंह|वर्मा|गुप्ता|पटेल|यादव|मिश्रा)(?!\p{Devanagari})"
)
_THAI = regex.compile(
    r"(?:นางสาว|(?<!ทั้ง|ทุก|เจ้า|ท)นาย(?!ก|จ้าง|ทุน|แพทย์)|(?<!ภรร|แม่)นาง(?!พยา)|ดร\.\s?|คุณ(?!ภาพ|สมบัติ|ค่า|ลักษณะ|ธรรม|ประโยชน์|ครู|แม่|พ่อ|หมอ)"
    r"|จังหวัด(?!นี้|ที่|และ|ใน)|อำเภอ(?!นี้|ที่|และ))(?P<start>\p{Thai}{4,6})"
)
_LETTERS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")
_PREFIX = regex.compile(r"^[وبلكف]?(?:ال)?")
_SPEAKS = regex.compile(r"^[一这该那每本某各整所]")


def marked_names(answer: str, text: str) -> Iterator[NameIn]:
    """The names of an answer in such a script that its text does not have."""
    plain = _plain(text)
    if regex.search(r"[\p{Hiragana}\p{Katakana}]", answer):
        yield from _missing(_JAPANESE, answer, plain)
    elif regex.search(r"\p{Han}", answer):
        yield from (each for each in _missing(_CHINESE, answer, plain) if not _SPEAKS.match(each.text))
    yield from _missing(_KOREAN, answer, plain)
    yield from _arabic(answer, text)
    for found in _HINDI.finditer(answer):
        for name in (found["name"], found["second"]):
            if name and _plain(_stem(name)) not in plain and not _is_verb(name):
                yield NameIn(name, sure=name == found["name"])
    for found in _THAI.finditer(answer):
        if found["start"][:4] not in plain:
            yield NameIn(found[0])


def is_in(value: str, text: str) -> bool:
    """Whether most pairs of neighbouring letters of a short value are in a text."""
    plain, whole = _plain(value), _plain(text)
    pairs = [plain[at : at + 2] for at in range(max(1, len(plain) - 1))]
    return sum(pair in whole for pair in pairs) >= PAIRS * len(pairs)


def _missing(pattern: "regex.Pattern[str]", answer: str, plain: str) -> Iterator[NameIn]:
    for found in pattern.finditer(answer):
        name = found["name"]
        if _plain(name) not in plain and not (
            len(name) == 3 and plain.find(name[1:]) >= 0 and name[0] not in _SURNAMES
        ):
            yield NameIn(name)


def _arabic(answer: str, text: str) -> Iterator[NameIn]:
    known = {_bare(word) for word in regex.findall(r"\p{Arabic}+", key(text))}
    for found in _ARABIC.finditer(answer):
        if found["unsure"]:
            if _bare(key(found["unsure"].split()[1])) not in known:
                yield NameIn(found["unsure"], sure=False)
            continue
        if _bare(key(found["name"])) not in known:
            yield NameIn(found["name"])


def _bare(word: str) -> str:
    return str(_PREFIX.sub("", word)) if len(word) > 4 else word


def _stem(word: str) -> str:
    return word[:-1] if len(word) > 4 else word


def _is_verb(word: str) -> bool:
    return word in {"ने", "को", "का", "की", "के", "से", "में", "पर", "और", "कहा", "बताया"} or word.startswith(("बता", "कह"))


def _plain(text: str) -> str:
    return str(_LETTERS.sub("", text)).casefold()

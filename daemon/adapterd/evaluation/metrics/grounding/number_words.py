"""Numbers and months in words, as far as texts write them so: in twelve languages, and in Chinese numerals."""

from collections.abc import Iterator, Mapping, Sequence

import regex

from adapterd.evaluation.metrics.grounding.forms import key, words

_TO_TWENTY = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty",
    "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn "
    "achtzehn neunzehn zwanzig",
    "zéro un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize dix-sept dix-huit "
    "dix-neuf vingt",
    "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciséis diecisiete "
    "dieciocho diecinueve veinte",
    "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
    "diciassette diciotto diciannove venti",
    "zero um dois três quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete dezoito "
    "dezenove vinte",
    "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien "
    "achttien negentien twintig",
    "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
    "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать двадцать",
    "μηδέν ένα δύο τρία τέσσερα πέντε έξι επτά οκτώ εννέα δέκα έντεκα δώδεκα δεκατρία δεκατέσσερα δεκαπέντε δεκαέξι "
    "δεκαεπτά δεκαοκτώ δεκαεννέα είκοσι",
    "صفر واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة",
    "शून्य एक दो तीन चार पाँच छह सात आठ नौ दस ग्यारह बारह तेरह चौदह पंद्रह सोलह सत्रह अठारह उन्नीस बीस",
    "ศูนย์ หนึ่ง สอง สาม สี่ ห้า หก เจ็ด แปด เก้า สิบ",
)
_TENS = (
    "thirty forty fifty sixty seventy eighty ninety",
    "dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
    "trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix",
    "treinta cuarenta cincuenta sesenta setenta ochenta noventa",
    "trenta quaranta cinquanta sessanta settanta ottanta novanta",
    "trinta quarenta cinquenta sessenta setenta oitenta noventa",
    "dertig veertig vijftig zestig zeventig tachtig negentig",
    "тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто",
    "τριάντα σαράντα πενήντα εξήντα εβδομήντα ογδόντα ενενήντα",
    "ثلاثون أربعون خمسون ستون سبعون ثمانون تسعون",
    "तीस चालीस पचास साठ सत्तर अस्सी नब्बे",
)
_OTHERS = {
    "a dozen": 12, "dozen": 12, "ein": 1, "eine": 1, "einen": 1, "einem": 1, "einer": 1, "zwo": 2, "une": 1, "una": 1,
    "un": 1, "uma": 1, "duas": 2, "одна": 1, "две": 2, "двух": 2, "двое": 2, "трёх": 3, "трое": 3, "четырёх": 4,
    "пяти": 5, "шести": 6, "семи": 7, "восьми": 8, "девяти": 9, "десяти": 10, "двенадцати": 12, "έναν": 1, "μία": 1,
    "δυο": 2, "τρεις": 3, "τέσσερις": 4, "εφτά": 7, "οχτώ": 8, "εννιά": 9, "ثلاث": 3, "أربع": 4, "خمس": 5, "ست": 6,
    "سبع": 7, "ثماني": 8, "تسع": 9, "عشر": 10, "عشرون": 20, "اثنين": 2, "first": 1, "second": 2, "third": 3,
    "fourth": 4, "fifth": 5, "once": 1, "twice": 2, "both": 2, "pair": 2, "couple": 2, "zweimal": 2, "dreimal": 3,
    "erste": 1, "ersten": 1, "zweite": 2, "zweiten": 2, "dritte": 3, "dritten": 3, "première": 1, "premier": 1,
    "deuxième": 2, "troisième": 3, "half": 0.5, "पांच": 5, "छः": 6,
}  # fmt: skip
_TIMES = {
    "hundred": 100, "hundert": 100, "cent": 100, "cents": 100, "cien": 100, "ciento": 100, "cento": 100, "honderd": 100,
    "сто": 100, "εκατό": 100, "مئة": 100, "مائة": 100, "सौ": 100, "thousand": 1e3, "thousands": 1e3, "tausend": 1e3,
    "mille": 1e3, "mil": 1e3, "mila": 1e3, "duizend": 1e3, "тысяча": 1e3, "тысячи": 1e3, "тысяч": 1e3, "тыс": 1e3,
    "χίλια": 1e3, "χιλιάδες": 1e3, "ألف": 1e3, "آلاف": 1e3, "हज़ार": 1e3, "हजार": 1e3, "लाख": 1e5, "lakh": 1e5,
    "करोड़": 1e7, "crore": 1e7, "million": 1e6, "millions": 1e6, "millionen": 1e6, "mio": 1e6, "millón": 1e6,
    "millones": 1e6, "milione": 1e6, "milioni": 1e6, "milhão": 1e6, "milhões": 1e6, "miljoen": 1e6, "миллион": 1e6,
    "миллиона": 1e6, "миллионов": 1e6, "млн": 1e6, "εκατομμύριο": 1e6, "εκατομμύρια": 1e6, "εκατ": 1e6, "مليون": 1e6,
    "ملايين": 1e6, "milliarde": 1e9, "milliarden": 1e9, "mrd": 1e9, "milliard": 1e9, "milliards": 1e9, "miliardi": 1e9,
    "miljard": 1e9, "миллиард": 1e9, "миллиарда": 1e9, "миллиардов": 1e9, "млрд": 1e9, "δισεκατομμύρια": 1e9,
    "δισ": 1e9, "مليار": 1e9, "billion": 1e9, "billions": 1e9, "bn": 1e9, "k": 1e3, "million's": 1e6,
}  # fmt: skip
_UNSPACED_TIMES = {
    "百": 100, "千": 1e3, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8, "만": 1e4, "억": 1e8, "천": 1e3, "พัน": 1e3,
    "หมื่น": 1e4, "แสน": 1e5, "ล้าน": 1e6,
}  # fmt: skip
_MONTHS = (
    "january february march april may june july august september october november december",
    "jan feb mar apr may jun jul aug sep oct nov dec",
    "januar februar märz april mai juni juli august september oktober november dezember",
    "janvier février mars avril mai juin juillet août septembre octobre novembre décembre",
    "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre",
    "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre",
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro",
    "januari februari maart april mei juni juli augustus september oktober november december",
    "января февраля марта апреля мая июня июля августа сентября октября ноября декабря",
    "январь февраль март апрель май июнь июль август сентябрь октябрь ноябрь декабрь",
    "январе феврале марте апреле мае июне июле августе сентябре октябре ноябре декабре",
    "ιανουαρίου φεβρουαρίου μαρτίου απριλίου μαΐου ιουνίου ιουλίου αυγούστου σεπτεμβρίου οκτωβρίου νοεμβρίου "
    "δεκεμβρίου",
    "ιανουάριο φεβρουάριο μάρτιο απρίλιο μάιο ιούνιο ιούλιο αύγουστο σεπτέμβριο οκτώβριο νοέμβριο δεκέμβριο",
    "يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر",
    "जनवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर अक्टूबर नवंबर दिसंबर",
    "มกราคม กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม",
)
_GERMAN_UNITS = ("ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun")
_AND = frozenset(map(key, ("and", "y", "e", "et", "και", "و", "und", "i")))
_HAN = dict(zip("〇一二三四五六七八九", range(10), strict=True)) | {"零": 0, "两": 2, "兩": 2, "十": 10}
_NUMERAL = regex.compile(r"[〇零一二三四五六七八九十百千万萬亿億两兩]+")
_UNSPACED_WORD = regex.compile("|".join((*_UNSPACED_TIMES, *_TO_TWENTY[-1].split(), *_MONTHS[-1].split())))


def _small() -> dict[str, float]:
    found = {key(word): float(value) for value, word in _numbered(_TO_TWENTY, 0, 1)}
    found |= {key(word): float(value) for value, word in _numbered(_TENS, 30, 10)}
    tens = ("zwanzig", *_TENS[1].split())
    found |= {
        key(f"{unit}und{ten}"): float(10 * place + number)
        for place, ten in enumerate(tens, start=2)
        for number, unit in enumerate(_GERMAN_UNITS, start=1)
    }
    return found | {key(word): float(value) for word, value in _OTHERS.items()}


def _numbered(lines: Sequence[str], first: int, step: int) -> Iterator[tuple[int, str]]:
    return ((first + step * place, word) for line in lines for place, word in enumerate(line.split()))


SMALL: Mapping[str, float] = _small()
"""The value of each word for a number below a hundred, by its key."""
TIMES: Mapping[str, float] = {key(word): value for word, value in {**_TIMES, **_UNSPACED_TIMES}.items()}
"""What a number in front of the word is multiplied by."""
MONTHS: Mapping[str, int] = {key(word): value for value, word in _numbered(_MONTHS, 1, 1)}
"""The number of each month by the key of its name."""


def numbers_in_words(text: str) -> Iterator[float]:
    """The numbers that a text writes in words, those that several words make too: `twenty-one`, `three hundred`."""
    last = total = 0.0
    for word in words(text):
        for part in [word] if word in SMALL else word.split("-"):
            if part in SMALL:
                value = SMALL[part]
                total = total + value if total >= 20 and value < 10 and not total % 10 else value
                last = total
                yield from {value, total}
            elif part in TIMES:
                total = last = (last or 1.0) * TIMES[part]
                yield total
            elif part not in _AND:
                total = last = 0.0
    yield from _without_spaces(text)


def _without_spaces(text: str) -> Iterator[float]:
    for found in _NUMERAL.finditer(text):
        yield _han(found[0])
    for found in _UNSPACED_WORD.finditer(text):
        if (value := SMALL.get(key(found[0]))) is not None:
            yield value


def _han(numeral: str) -> float:
    whole = part = digit = 0.0
    for each in numeral:
        if (times := _UNSPACED_TIMES.get(each, 10.0 if each == "十" else 0.0)) >= 1e4:
            whole, part, digit = (whole + part + digit or 1.0) * times, 0.0, 0.0
        elif times:
            part, digit = part + (digit or 1.0) * times, 0.0
        else:
            digit = digit * 10 + _HAN[each] if digit else float(_HAN[each])
    return whole + part + digit


def months_in(text: str) -> set[int]:
    """The months that a text names."""
    named = {MONTHS[word] for word in words(text) if word in MONTHS}
    return named | {MONTHS[key(found[0])] for found in _UNSPACED_WORD.finditer(text) if key(found[0]) in MONTHS}

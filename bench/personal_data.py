"""How much of clean news is held for secrets or personal data, and how much of what is planted is found.

`python -m bench.personal_data` prints it as JSON. A clean item is made of sentences full of numbers that look like
telephone, account or card numbers: scores, dates, prices, ISBNs, orders, versions, coordinates, digests and addresses
of pages. A planted one has one secret or personal datum of a kind in one of many spellings besides.
"""

import json
import random
import string
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from adapterd.chat import Message, Role
from adapterd.personal_data.finding import Kind
from adapterd.personal_data.scan import scan_record
from adapterd.record import FeedbackRecord

CLEAN_ITEMS = 1_000
PLANTED_OF_A_KIND = 200
SENTENCES = 8
NAMES = ("Anna Keller", "Jean Moreau", "María Ortega", "李明", "山田花子", "Иван Петров", "محمد علي", "Ayşe Yılmaz")
TEMPLATES = {
    "en": (
        "{name} told reporters on {date} at {time} that {count} people had crossed the border.",
        "The {team} beat the visitors {score} ({score}, {score}) before {count} spectators.",
        "Call volumes rose by +{percent} % to {count}; mobile data grew to {count} GB.",
        "The book (ISBN {isbn}) costs {price} and has {small} pages.",
        "Order {order} left the depot on {date}; the invoice is no. {order}.",
        "Version {version} of the firmware fixes CVE-{year}-{small}; the digest is {digest}.",
        "See https://news.example/{year}/{small}/{order}?id={digits} for the minutes of {date}.",
        "The password policy was debated for {small} minutes; the secret vote ended {score}.",
        "The index closed at {price}, +{count} points since {date}.",
        "The flight LH{small} from {coordinates} took {small}:{small} hours.",
    ),
    "de": (
        "{name} sagte am {date} um {time} Uhr, {count} Menschen seien betroffen.",
        "Das Telefon klingelte {small} Mal; der Umsatz stieg um +{count} Euro auf {price}.",
        "Das Aktenzeichen {small} O {small}/{year} und die Bestellnummer {order} fehlen.",
        "Im Tel-Aviv-Prozess wurden {count} Seiten und {small} Zeugen gehört.",
        "Die Partie endete {score}, im Hinspiel {score}; {count} Zuschauer kamen.",
    ),
    "fr": (
        "{name} a déclaré le {date} que {count} foyers étaient privés d'électricité.",
        "Le budget atteint {price}, soit +{percent} % ; l'article {small}-{small} a été adopté par {score}.",
        "La commande n° {order} du {date} pèse {small} kg.",
    ),
    "es": (
        "{name} anunció el {date} una inversión de {price} para {count} hogares.",
        "El partido terminó {score} ante {count} personas; el expediente es {small}/{year}.",
    ),
    "it": ("{name} ha detto il {date} che {count} persone lavorano in {small} comuni; il bilancio è di {price}.",),
    "pt": ("{name} disse em {date} que {count} pessoas foram afetadas; o custo foi de {price}.",),
    "nl": ("{name} zei op {date} dat {count} mensen belden; bel {small} keer, stem {small} en {score}.",),
    "pl": ("{name} powiedział {date}, że {count} osób otrzyma {price}; wynik {score}.",),
    "tr": ("{name}, {date} tarihinde {count} kişinin {price} alacağını söyledi.",),
    "ru": ("{name} сообщил {date}, что {count} человек получат {price}; счёт {score}.",),
    "zh": ("{name}在{date}表示，共有{count}人受影响，耗资{price}，比分{score}。",),
    "ja": ("{name}は{date}、{count}人が参加し、費用は{price}だと述べた。",),
    "ar": ("قال {name} في {date} إن {count} شخصا تأثروا بكلفة {price}.",),
}


@dataclass(frozen=True)
class Planted:
    """A text with one finding, and the kind of it."""

    kind: Kind
    text: str


def personal_data() -> dict[str, Any]:
    """The number of clean items, the share of them that is held, the share found of each planted kind, and the speed in
    records per second of one core."""
    draw = random.Random(7)
    clean = [_record(clean_text(draw)) for _ in range(CLEAN_ITEMS)]
    scan_record(_record("Call +49 30 901820 or mail AKIAIOSFODNN7EXAMPLE"))  # loads the libraries
    started = time.process_time()
    held = [found for record in clean if (found := scan_record(record))]
    seconds = time.process_time() - started
    planted, found_right = Counter[Kind](), Counter[Kind]()
    for each in planted_items(draw):
        planted[each.kind] += 1
        found_right[each.kind] += any(one.kind is each.kind for one in scan_record(_record(each.text)))
    return {
        "clean": len(clean),
        "quarantined": round(len(held) / len(clean), 4),
        "planted": planted.total(),
        "found": {str(kind): round(found_right[kind] / count, 4) for kind, count in sorted(planted.items())},
        "records_per_s": round(len(clean) / seconds),
    }


def clean_text(draw: random.Random) -> str:
    """An item of news of one language, without personal data of the kinds that are looked for."""
    language = draw.choice(list(TEMPLATES))
    sentences = [draw.choice(TEMPLATES[language]) for _ in range(SENTENCES)]
    return " ".join(_filled(sentence, draw) for sentence in sentences)


def planted_items(draw: random.Random) -> Iterator[Planted]:
    """Items of news with one finding each, as many of every kind."""
    for kind, make in PLANTS.items():
        for _ in range(PLANTED_OF_A_KIND):
            words = clean_text(draw).split(" ")
            place = draw.randrange(len(words) + 1)
            yield Planted(kind, " ".join([*words[:place], make(draw), *words[place:]]))


def _record(text: str) -> FeedbackRecord:
    return FeedbackRecord(
        (Message(Role.USER, f"Summarise:\n{text}"),), correction=text[:200], created_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


def _filled(template: str, draw: random.Random) -> str:
    """The template with other numbers at every place."""
    for name, make in NUMBERS.items():
        while f"{{{name}}}" in template:
            template = template.replace(f"{{{name}}}", make(draw), 1)
    return template


def _date(draw: random.Random) -> str:
    day = date(1990, 1, 1) + timedelta(days=draw.randrange(16_000))
    return draw.choice((f"{day:%Y-%m-%d}", f"{day:%d.%m.%Y}", f"{day:%d/%m/%Y}", f"{day:%Y%m%d}", f"{day:%m-%d-%Y}"))


def _count(draw: random.Random) -> str:
    number = f"{draw.randrange(1_000, 10 ** draw.randrange(4, 13)):,}"
    return number.replace(",", draw.choice((",", ".", " ", "\u202f", "")))


def _isbn(draw: random.Random) -> str:
    digits = [int(each) for each in f"978{draw.randrange(10**9):09}"]
    check = -sum(digit * (3 if place % 2 else 1) for place, digit in enumerate(digits)) % 10
    text = "".join(map(str, [*digits, check]))
    return draw.choice((text, f"{text[:3]}-{text[3]}-{text[4:6]}-{text[6:12]}-{text[12]}"))


def _digits(draw: random.Random, count: int) -> str:
    return "".join(draw.choices(string.digits, k=count))


def _letters(draw: random.Random, count: int, of: str = string.ascii_letters + string.digits) -> str:
    return "".join(draw.choices(of, k=count))


NUMBERS: dict[str, Callable[[random.Random], str]] = {
    "name": lambda draw: draw.choice(NAMES),
    "date": _date,
    "time": lambda draw: f"{draw.randrange(24):02}:{draw.randrange(60):02}",
    "count": _count,
    "score": lambda draw: f"{draw.randrange(120)}{draw.choice('-:–')}{draw.randrange(120)}",
    "percent": lambda draw: f"{draw.randrange(100)}{draw.choice('.,')}{draw.randrange(10)}",
    "price": lambda draw: f"{draw.choice(('€ ', '$', 'CHF ', '¥'))}{_count(draw)}.{draw.randrange(100):02}",
    "isbn": _isbn,
    "order": lambda draw: draw.choice(("", "A", "DE-", "2026/")) + _digits(draw, draw.randrange(6, 19)),
    "digits": lambda draw: _digits(draw, draw.randrange(6, 20)),
    "version": lambda draw: ".".join(str(draw.randrange(20)) for _ in range(draw.randrange(2, 5))),
    "digest": lambda draw: _letters(draw, draw.choice((7, 32, 40, 64)), "0123456789abcdef"),
    "coordinates": lambda draw: f"{draw.uniform(-90, 90):.6f}, {draw.uniform(-180, 180):.6f}",
    "year": lambda draw: str(draw.randrange(1900, 2030)),
    "small": lambda draw: str(draw.randrange(10, 1000)),
    "team": lambda draw: draw.choice(("76ers", "49ers", "1860 München", "Schalke 04")),
}


def _email(draw: random.Random) -> str:
    local = draw.choice(("anna.keller", "j_moreau", "redaktion+tips", "m.ortega77", "info", "o'neill"))
    domain = draw.choice(("example.org", "mail.example.com", "zeitung-müller.de", "example.co.uk", "news.example"))
    return draw.choice(
        (
            "{}@{}", "<{}@{}>", "mailto:{}@{}", "({}@{}),", "{} (at) {}", "{}[at]{}", "{} {{at}} {}", "{}%40{}",
            "{}＠{}", "E-Mail:{}@{}.",
        )
    ).format(local, domain)  # fmt: skip


def _phone(draw: random.Random) -> str:
    return _numbered(
        draw,
        (
            "+49 30 901#####", "0049 30 901####", "+49 (0)30 901#####", "Tel. 030 / 901#####",
            "Telefon: (089) 233-#####",
            "+33 1 42 68 ## 00", "Tél. : 01 42 68 ## 00", "(212) 736-####", "212-736-####", "+1 212 736 ####",
            "call 1-212-736-####", "+44 20 7946 ####", "phone 020 7946 ####", "tel:+4930901#####",
            "WhatsApp +55 11 9####-1234", "Тел.: +7 495 1##-45-67", "电话：138 #### 8000", "☎ 03-3###-1234",
            "Teléfono 91 5## 12 34", "mobile: 06 1# 34 56 78", "Tel. +41 44 211 ## ##", "+91 98765 4####",
        ),
    )  # fmt: skip


def _iban(draw: random.Random) -> str:
    country, length = draw.choice((("DE", 18), ("AT", 16), ("PL", 24), ("SE", 20)))
    account = _digits(draw, length)
    check = 98 - int(account + "".join(str(ord(each) - 55) for each in country) + "00") % 97
    whole = f"{country}{check:02}{account}"
    grouped = [whole[start : start + 4] for start in range(0, len(whole), 4)]
    return draw.choice((whole, whole.lower(), " ".join(grouped), "-".join(grouped), f"IBAN: {' '.join(grouped)},"))


def _card(draw: random.Random) -> str:
    prefix, length = draw.choice(
        (("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16), ("36", 14), ("3530", 16))
    )
    body = prefix + _digits(draw, length - len(prefix) - 1)
    doubled = [int(each) * (2 if place % 2 == 0 else 1) for place, each in enumerate(reversed(body))]
    number = body + str(-sum(value // 10 + value % 10 for value in doubled) % 10)
    sizes = {16: (4, 4, 4, 4), 15: (4, 6, 5), 14: (4, 6, 4)}[length]
    ends = [sum(sizes[: place + 1]) for place in range(len(sizes))]
    grouped = [number[end - size : end] for size, end in zip(sizes, ends, strict=True)]
    return draw.choice((number, " ".join(grouped), "-".join(grouped), f"card {number}", f"Karte: {' '.join(grouped)}."))


def _secret(draw: random.Random) -> str:
    word = _letters(draw, 10) + "7!"
    token = draw.choice(
        (
            ("AKIA", 16, ""), ("ghp_", 36, ""), ("github_pat_", 40, ""), ("sk-proj-", 43, "7"),
            ("sk-ant-api03-", 60, "7"), ("hf_", 33, "7"), ("glpat-", 19, "7"), ("xoxb-123456789012-", 24, ""),
            ("AIza", 34, "7"), ("sk_live_", 24, ""),
            ("Authorization: Bearer ", 32, ""), ("-----BEGIN RSA PRIVATE KEY-----\n", 60, ""), ("123456789:AA", 33, ""),
        )
    )  # fmt: skip
    characters = string.ascii_uppercase + string.digits if token[0] == "AKIA" else string.ascii_letters + string.digits
    made = f"{token[0]}{_letters(draw, token[1], characters)}{token[2]}"
    named = draw.choice(
        (
            "password: {}", "Passwort={}", '"api_key": "{}"', "DB_PASSWORD='{}'", "https://admin:{}@db.example.org/",
            "mot de passe : {}", "密码：{}", "Das Passwort lautet {}",
        )
    )  # fmt: skip
    return draw.choice((made, named.format(word)))


def _numbered(draw: random.Random, patterns: tuple[str, ...]) -> str:
    """One of the patterns, with a digit in the place of each `#`."""
    return "".join(_digits(draw, 1) if each == "#" else each for each in draw.choice(patterns))


PLANTS = {Kind.EMAIL: _email, Kind.PHONE: _phone, Kind.IBAN: _iban, Kind.CARD: _card, Kind.SECRET: _secret}

if __name__ == "__main__":
    print(json.dumps(personal_data(), indent=2))

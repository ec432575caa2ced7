"""What of an answer its texts do not have, and what of good answers is not taken for that."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapterd.evaluation.metrics.grounding.checked import Support, check, ground_of

ENGLISH = (
    "The ferry Aurora crosses Lake Vern twice a day. Its captain, Liam O’Neill, said: “We have never lost a "
    "single goose.” The European Union paid 1,200 euros on 12 May 2026 and the World Health Organization 48.7 "
    "percent. It opens at 3 pm."
)
GERMAN = (
    "Die Mühle am Wehr mahlt seit dem 3. März 2024 wieder Dinkel. Der Besitzer Jonas Weber verkauft 1.250 Säcke im "
    "Jahr. Die Stadt Bremen zahlt 48,7 Prozent."
)
RUSSIAN = (
    "Старая каланча в Рязани снова открыта. Смотритель Иван Петров помнит наводнение 1908 года. Билет стоит 150 рублей."
)
GREEK = "Ο καπετάνιος Νίκος Παπαδόπουλος φεύγει από τη Νάξο στις 8 το πρωί με 45 επιβάτες."
CHINESE = "王小明教授在杭州市说，新图书馆有三百二十个座位，于2026年5月开放。"
JAPANESE = "田中さんは京都市で2026年5月に320席の図書館を開いた。"
ARABIC = "قال الدكتور أحمد سالم إن المكتبة في مدينة عمان تضم ١٢٠٠ كتاب."
HINDI = "श्री रमेश शर्मा ने बताया कि गाँव में ३४५ घर हैं।"
THAI = "นายสมชาย ใจดี บอกว่าหมู่บ้านในจังหวัดเชียงใหม่มี 345 หลัง"


def of(answer: str, text: str, support: Support) -> list[str]:
    return [each.text for each in check(answer, ground_of((text,))) if each.support is support]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (ENGLISH, "O'Neill, the captain of the Aurora, crosses Lake Vern two times daily."),
        (ENGLISH, 'According to him, "we have never lost a single goose".'),
        (ENGLISH, "The EU gave 1 200 EUR on 2026-05-12, the WHO 49 %. Today, Monday, it opens at 15:00."),
        (ENGLISH, "Captain O'Neill's geese are safe. English speakers call the boat Aurora."),
        (ENGLISH, '{"captain": "Liam O\'Neill", "amount": 1200.0, "date": "12.05.2026"}'),
        (ENGLISH, "1. The ferry crosses the lake.\n2. The captain is Liam O'Neill."),
        (ENGLISH, "Reliable Ferry Keeps Every Single Goose"),
        (GERMAN, "Seit März 2024 wird am Wehr wieder Getreide gemahlen; Herr Weber verkauft jährlich 1250 Säcke."),
        (
            GERMAN,
            "Webers Betrieb erzeugt Mehl für Bäcker der Umgebung. Das Wasserrad liefert die Energie für Bremen.",
        ),
        (GERMAN, "Viele Bäckereien kaufen dort ein. Die Förderung der Hansestadt beträgt fast die Hälfte, 48,7 %."),
        (RUSSIAN, "В Рязани открыли каланчу; Петрова слушают гости. Вход стоит 150 руб."),
        (GREEK, "Από τη Νάξο φεύγει ο Παπαδόπουλος με σαράντα πέντε επιβάτες."),
        (CHINESE, "王小明教授说图书馆有320个座位。这座城市很大。"),
        (JAPANESE, "田中さんが京都市で図書館を開きました。"),
        (ARABIC, "قال الدكتور أحمد إن في المكتبة 1200 كتاب."),
        (HINDI, "रमेश शर्मा जी ने 345 घर बताए।"),
        (THAI, "คุณสมชายบอกว่ามี ๓๔๕ หลัง"),
    ],
)
def test_nothing_is_missing_of_an_answer_that_says_the_same_otherwise(text: str, answer: str) -> None:
    assert of(answer, text, Support.MISSING) == []
    assert of(answer, text, Support.UNSURE) == []


@pytest.mark.parametrize(
    ("text", "answer", "missing"),
    [
        (ENGLISH, "Captain Marta Olsen crosses the lake.", ["Marta", "Olsen"]),
        (ENGLISH, "The European Union paid 1,300 euros.", ["1,300"]),
        (ENGLISH, "It was paid on 12 June 2026.", ["12", "2026"]),
        (ENGLISH, 'He said "we lose a goose every other day".', ["we lose a goose every other day"]),
        (ENGLISH, '{"captain": "Marta Olsen", "amount": 1300}', ["1300", "Marta", "Olsen"]),
        (GERMAN, "Die Besitzerin Marta Olsen verkauft Säcke.", ["Marta", "Olsen"]),
        (GERMAN, "Der Betrieb verkauft 1.400 Säcke.", ["1.400"]),
        (RUSSIAN, "Смотритель Олег Сидоров помнит всё.", ["Олег", "Сидоров"]),
        (GREEK, "Ο καπετάνιος Γιώργος Λάμπρου φεύγει.", ["Γιώργος", "Λάμπρου"]),
        (CHINESE, "李建国教授说图书馆很大。", ["李建国"]),
        (JAPANESE, "鈴木さんが大阪市で開きました。", ["鈴木", "大阪"]),
        (ARABIC, "قال الدكتور يوسف إن المكتبة كبيرة.", ["يوسف"]),
        (HINDI, "श्री सुरेश ने ४५० घर बताए।", ["450", "सुरेश"]),
        (THAI, "นายวิชัยบอกว่ามี 400 หลัง", ["400", "นายวิชัยบ"]),
    ],
)
def test_invented_names_numbers_and_quotations_are_missing(text: str, answer: str, missing: list[str]) -> None:
    assert sorted(of(answer, text, Support.MISSING)) == sorted(missing)


@pytest.mark.parametrize(
    ("text", "answer", "unsure"),
    [
        ("He sold 120 boats in May and 75 in June.", "Altogether 195 boats were sold.", "195"),
        ("The road is 5 km long and has 30 bends.", "It is 5,000 metres long.", "5,000"),
        ("Of 80 visitors 20 came back.", "25 % came back.", "25"),
        ("The boat, the cart and the mule were sold.", "He named 3 things.", "3"),
        (GERMAN, "Der Besitzer zog aus Hamburg fort und ist nicht mehr da.", "Hamburg"),
    ],
)
def test_what_may_follow_from_the_text_is_unsure(text: str, answer: str, unsure: str) -> None:
    assert of(answer, text, Support.UNSURE) == [unsure]
    assert of(answer, text, Support.MISSING) == []


def test_an_answer_in_another_language_is_checked_by_its_numbers_only() -> None:
    answer = "Das Schiff unter Kapitän Müller überquert den See jeden Morgen und kehrt abends mit 77 Gänsen zurück."
    assert of(answer, ENGLISH, Support.MISSING) == ["77"]


def test_code_and_addresses_are_not_checked() -> None:
    assert check("```\nvalue = 981\n```\nSee https://example.org/911", ground_of((ENGLISH,))) == []


@given(text=st.text(max_size=80), answer=st.text(max_size=80))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_checked_against_any_other(text: str, answer: str) -> None:
    assert all(each.text for each in check(answer, ground_of((text,))))


@given(number=st.integers(min_value=11, max_value=10**9), mark=st.sampled_from([",", ".", " ", "'", "\u202f", ""]))
@settings(max_examples=60, deadline=None)
def test_a_number_is_there_in_every_notation(number: int, mark: str) -> None:
    written = f"{number:,}".replace(",", mark)
    assert of(f"It is {written} now.", f"There were {number} of them.", Support.MISSING) == []
    assert of(f"It is {number} now.", f"There were {written} of them.", Support.MISSING) == []


@pytest.mark.parametrize("unit", ["1", "a", "A", "[", '"', "1,", "A ", "a@", "王", "٣", "“", "```", "A.", "1 ", "X-"])
def test_no_long_text_takes_long(unit: str) -> None:
    assert all(each.text for each in check(unit * 50_000, ground_of((ENGLISH,))))
    assert check("Reliable.", ground_of((unit * 50_000,))) == []

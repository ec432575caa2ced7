"""The items of the guard set: templates of plain tasks, each filled in several ways, the same on every machine.

Every answer is short, so that many can be asked in little time: 56 items notice a drop of 0.10 in one case of three,
300 in more than four of five (bench/guard.py). None takes knowledge of a trade, so that a model of any size can do a
part of them.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple


class Filled(NamedTuple):
    """A template that is filled: what to ask, how the answer is checked (a name in CHECKS, and what that takes), and an
    answer that is right."""

    prompt: str
    check: str
    wanted: Any
    right: str


WORDS = ("lantern", "river", "copper", "garden", "winter", "violin", "harbour", "pepper")
NAMES = ("Anna", "Paul", "Maria", "David", "Sofia", "Lucas", "Emma", "Simon", "Clara", "Oscar", "Julia", "Felix")
CITIES = ("Lisbon", "Oslo", "Vienna", "Dublin", "Athens", "Warsaw", "Prague", "Helsinki", "Madrid", "Zurich", "Riga")
COLOURS = ("red", "green", "white", "black", "yellow", "blue", "grey")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
THINGS = ("door", "car", "cup", "coat", "chair", "boat", "lamp")
ONLY_NUMBER = "Answer with the number only."
ONE_WORD = "Answer with one word."


def _instructions() -> Iterator[Filled]:
    yield from _with_words()
    yield from _choices()
    yield from _sentences()


def _with_words() -> Iterator[Filled]:
    for word in WORDS:
        yield Filled(f"Repeat this word and nothing else: {word}", "only", word, word)
    for word in WORDS[:6]:
        asked = f"Write the word {word} in capital letters and nothing else."
        yield Filled(asked, "matches", f"{word.upper()}[.]?", word.upper())
    for short, long in zip(("cat", "sun", "tea", "ice", "box", "map", "egg", "sea"), WORDS, strict=True):
        asked = f"Which of these two words is longer: {short} or {long}? Answer with that word only."
        yield Filled(asked, "names", [long, short], long)
    for word in ("sun", "rain", "wood", "milk"):
        asked = f"Say the word {word} three times in one line and nothing else."
        yield Filled(asked, "matches", rf"(?i){word}[ ,]+{word}[ ,]+{word}[.!]?", f"{word} {word} {word}")


def _choices() -> Iterator[Filled]:
    for large, small in (
        ("an elephant", "a mouse"),
        ("the sun", "the moon"),
        ("a ship", "a spoon"),
        ("a tree", "a leaf"),
    ):
        yield Filled(f"Is {large} larger than {small}? Answer only yes or no.", "only", "yes", "Yes.")
        yield Filled(f"Is {small} larger than {large}? Answer only yes or no.", "only", "no", "No.")
    for place, (kind, right, *others) in enumerate(
        (
            ("a fruit", "apple", "hammer", "lamp"), ("an animal", "horse", "table", "cloud"),
            ("a colour", "green", "seven", "bread"), ("a tool", "hammer", "banana", "river"),
            ("a vehicle", "train", "apple", "shirt"), ("a number", "seven", "green", "house"),
            ("a month", "June", "Monday", "winter"), ("a drink", "coffee", "stone", "chair"),
        )
    ):  # fmt: skip
        shown = [*others[: place % 3], right, *others[place % 3 :]]
        asked = f"Which of these is {kind}: {shown[0]}, {shown[1]} or {shown[2]}? {ONE_WORD}"
        yield Filled(asked, "names", [right, *others], right)


def _sentences() -> Iterator[Filled]:
    for topic in ("tea", "rain", "trains", "bread", "books", "sleep"):
        asked = f"Begin your answer with the word However and say one short sentence about {topic}."
        yield Filled(asked, "begins", "However", f"However, I like {topic}.")
    for count, topic in (
        (8, "a bicycle"),
        (6, "the moon"),
        (10, "a library"),
        (7, "a spoon"),
        (9, "the sea"),
        (5, "a dog"),
    ):
        yield Filled(f"Describe {topic} in at most {count} words.", "at_most_words", count, f"This is {topic}.")
    for word, topic in (("snow.", "winter"), ("sea.", "a ship"), ("home.", "an evening"), ("stars.", "the night")):
        asked = f"Write one short sentence about {topic} that ends with the word {word[:-1]} followed by a full stop."
        yield Filled(asked, "ends", word, f"We talked about {topic} and the {word}")
    for letter, topic in (("z", "a dog"), ("x", "a garden")):
        asked = f"Write one short sentence about {topic} without using the letter {letter}."
        yield Filled(asked, "without", letter, f"I see {topic}.")


def _arithmetic() -> Iterator[Filled]:
    for one, other in ((3, 4), (5, 8), (12, 7), (20, 15), (9, 6), (31, 12), (14, 14), (45, 30), (60, 25), (8, 17)):
        yield Filled(f"What is {one} + {other}? {ONLY_NUMBER}", "number", one + other, str(one + other))
        yield Filled(
            f"What is {one + other} - {other}? {ONLY_NUMBER}", "number", one, f"{one + other} - {other} = {one}"
        )
    for one, other in ((2, 3), (4, 5), (6, 7), (3, 9), (10, 8), (5, 11), (2, 25), (9, 9)):
        yield Filled(f"What is {one} times {other}? {ONLY_NUMBER}", "number", one * other, str(one * other))
    for one, other in ((17, 71), (9, 12), (105, 99), (34, 43), (250, 205), (8, 3), (66, 60), (1000, 999)):
        asked = f"Which number is larger, {one} or {other}? {ONLY_NUMBER}"
        yield Filled(asked, "number", max(one, other), f"{max(one, other)}.")
    for place, (thing, has, gets) in enumerate(
        (("apples", 5, 3), ("books", 12, 4), ("coins", 20, 10), ("pens", 7, 2), ("stamps", 30, 15), ("eggs", 6, 6))
    ):
        name = NAMES[place]
        asked = f"{name} has {has} {thing} and buys {gets} more. How many {thing} does {name} have now? {ONLY_NUMBER}"
        yield Filled(asked, "number", has + gets, f"{name} has {has + gets}")
        asked = f"{name} has {has} {thing} and gives away {gets}. How many {thing} are left? {ONLY_NUMBER}"
        yield Filled(asked, "number", has - gets, str(has - gets))


def _reading() -> Iterator[Filled]:
    for place in range(12):
        one, other = NAMES[place], NAMES[(place + 5) % 12]
        here, there = CITIES[place % 11], CITIES[(place + 4) % 11]
        whose, where, not_where = (one, here, there) if place % 2 else (other, there, here)
        asked = f"{one} lives in {here}. {other} lives in {there}. Where does {whose} live? {ONE_WORD}"
        yield Filled(asked, "names", [where, not_where], f"{whose} lives in {where}.")
    for place in range(10):
        first, second = THINGS[place % 7], THINGS[(place + 3) % 7]
        one, other = COLOURS[place % 7], COLOURS[(place + 2) % 7]
        thing, colour, not_it = (first, one, other) if place % 2 else (second, other, one)
        asked = f"The {first} is {one} and the {second} is {other}. What colour is the {thing}? {ONE_WORD}"
        yield Filled(asked, "names", [colour, not_it], colour.capitalize())
    for place, (leaves, arrives) in enumerate(
        (
            ("9:40", "11:15"),
            ("7:05", "8:30"),
            ("13:20", "16:45"),
            ("18:10", "19:55"),
            ("6:25", "10:00"),
            ("21:15", "23:50"),
        )
    ):
        city = CITIES[place]
        asked = f"The train to {city} leaves at {leaves} and arrives at {arrives}. When does it"
        yield Filled(f"{asked} leave? Answer with the time only.", "names", [leaves, arrives], leaves)
        yield Filled(f"{asked} arrive? Answer with the time only.", "names", [arrives, leaves], f"{arrives}.")
    for place in range(10):
        one, other = NAMES[place], NAMES[(place + 3) % 12]
        older, younger = 31 + 4 * place, 27 + 3 * place
        name, age = (one, older) if place % 2 else (other, younger)
        asked = f"{one} is {older} years old. {other} is {younger} years old. How old is {name}? {ONLY_NUMBER}"
        yield Filled(asked, "number", age, f"{name} is {age}")
    for place in range(10):
        one, other, number = NAMES[place], NAMES[(place + 7) % 12], 4711 + 137 * place
        asked = f"Order {number} was sent by {one}. Order {number + 5} was sent by {other}."
        yield Filled(f"{asked} Who sent order {number}? {ONE_WORD}", "names", [one, other], f"It was sent by {one}.")
    for place in range(6):
        name, day, other = NAMES[place], DAYS[place], DAYS[(place + 3) % 7]
        asked = f"{name} works on {day} and rests on {other}. On which day does {name} rest? {ONE_WORD}"
        yield Filled(asked, "names", [other, day], other)


def _knowledge() -> Iterator[Filled]:
    for country, city in (
        ("France", "Paris"), ("Italy", "Rome"), ("Japan", "Tokyo"), ("Spain", "Madrid"), ("Germany", "Berlin"),
        ("Egypt", "Cairo"), ("England", "London"), ("Russia", "Moscow"), ("Greece", "Athens"), ("Cuba", "Havana"),
    ):  # fmt: skip
        yield Filled(f"What is the capital of {country}? {ONE_WORD}", "says", [city], f"The capital is {city}.")
    for word, opposites in (
        ("hot", ["cold"]), ("big", ["small", "little"]), ("day", ["night"]), ("up", ["down"]), ("fast", ["slow"]),
        ("open", ["closed", "shut"]), ("old", ["young", "new"]), ("wet", ["dry"]), ("early", ["late"]),
        ("full", ["empty"]),
    ):  # fmt: skip
        yield Filled(f"What is the opposite of {word}? {ONE_WORD}", "says", opposites, opposites[0].capitalize())
    for day, after in pairwise(DAYS):
        yield Filled(f"Which day comes after {day}? {ONE_WORD}", "says", [after], after)
    for month, after in (("January", "February"), ("April", "May"), ("August", "September"), ("November", "December")):
        yield Filled(f"Which month comes after {month}? {ONE_WORD}", "says", [after], after)
    for thing, right, wrong in (
        ("a banana", "fruit", "animal"), ("a dog", "animal", "plant"), ("a rose", "plant", "animal"),
        ("iron", "metal", "fruit"), ("a violin", "instrument", "vehicle"), ("a bus", "vehicle", "metal"),
        ("a salmon", "fish", "bird"),
        ("an eagle", "bird", "fish"), ("milk", "drink", "tool"),
        ("a saw", "tool", "drink"),
    ):  # fmt: skip
        choice = f"{right} or {wrong}" if len(thing) % 2 else f"{wrong} or {right}"
        yield Filled(f"What is {thing}: {choice}? {ONE_WORD}", "names", [right, wrong], f"{right}.")


def _formatting() -> Iterator[Filled]:
    for place in range(10):
        name, age = NAMES[place], 23 + 5 * place
        asked = f"{name} is {age} years old. Give this as a JSON object with the keys name and age, and nothing else."
        yield Filled(asked, "json", {"name": name, "age": age}, f'{{"name": "{name}", "age": {age}}}')
    triples = [(WORDS[place], WORDS[(place + 1) % 8], WORDS[(place + 3) % 8]) for place in range(8)]
    for words in triples:
        asked = f"Give these words as a JSON list of strings and nothing else: {', '.join(words)}"
        yield Filled(asked, "json_list", 3, f'["{words[0]}", "{words[1]}", "{words[2]}"]')
    for words in triples:
        asked = f"Write these words in one line, separated by commas, and nothing else: {' '.join(words)}"
        yield Filled(asked, "matches", f"(?i){words[0]}, *{words[1]}, *{words[2]}[.]?", ", ".join(words))
    for count, things in ((3, "colours"), (2, "fruits"), (4, "animals"), (3, "cities"), (2, "drinks"), (3, "tools")):
        asked = f"List {count} {things}, one in each line, and nothing else."
        yield Filled(asked, "lines", count, "\n".join(["x"] * count))
    for text in ("the sun is hot", "we like music", "rain falls today", "the door is open"):
        yield Filled(f"Write this in capital letters and nothing else: {text}", "upper", None, text.upper())
    for text in ("THE SEA IS DEEP", "SHE READS A BOOK", "BIRDS CAN FLY", "THE BREAD IS FRESH"):
        yield Filled(f"Write this in small letters and nothing else: {text}", "lower", None, text.lower())
    for count, topic in ((3, "the sea"), (4, "a forest"), (2, "snow"), (3, "coffee")):
        yield Filled(f"Write exactly {count} words about {topic}.", "words", count, " ".join(["so"] * count))


class _Language(NamedTuple):
    """The sentences of a language, with the places of what is filled in."""

    lives: str
    where: str
    sum: str
    repeat: str
    colour: str
    colours: Sequence[str]


_LANGUAGES = (
    _Language(
        "{} wohnt in {}.", "Wo wohnt {}? Antworte mit einem Wort.", "Was ist {} + {}? Antworte nur mit der Zahl.",
        "Wiederhole nur dieses Wort: {}", "Das Haus ist {}, das Auto ist {}. Welche Farbe hat das Auto? Ein Wort.",
        ("rot", "weiß", "grün"),
    ),
    _Language(
        "{} habite à {}.", "Où habite {} ? Réponds en un mot.",
        "Combien font {} + {} ? Réponds seulement par le nombre.",
        "Répète seulement ce mot : {}", "Le livre est {}, le sac est {}. De quelle couleur est le sac ? Un mot.",
        ("rouge", "blanc", "vert"),
    ),
    _Language(
        "{} vive en {}.", "¿Dónde vive {}? Responde con una palabra.",
        "¿Cuánto es {} + {}? Responde solo con el número.",
        "Repite solo esta palabra: {}", "El libro es {}, el coche es {}. ¿De qué color es el coche? Una palabra.",
        ("rojo", "blanco", "verde"),
    ),
    _Language(
        "{} abita a {}.", "Dove abita {}? Rispondi con una parola.", "Quanto fa {} + {}? Rispondi solo con il numero.",
        "Ripeti solo questa parola: {}", "Il libro è {}, il muro è {}. Di che colore è il muro? Una parola.",
        ("rosso", "bianco", "verde"),
    ),
    _Language(
        "{} mora em {}.", "Onde mora {}? Responda com uma palavra.", "Quanto é {} + {}? Responda só com o número.",
        "Repita só esta palavra: {}", "O livro é {}, o carro é {}. Qual é a cor do carro? Uma palavra.",
        ("vermelho", "branco", "verde"),
    ),
    _Language(
        "{}住在{}。", "{}住在哪里？只用一个词回答。", "{} + {} 等于多少？只回答数字。",
        "只重复这个词：{}", "书是{}，车是{}。车是什么颜色？只用一个词回答。",
        ("红色", "白色", "绿色"),
    ),
)  # fmt: skip
_FOREIGN_WORDS = ("radio", "piano", "hotel")


def _languages() -> Iterator[Filled]:
    for number, language in enumerate(_LANGUAGES):
        for place in range(3):
            one, other = NAMES[number + place], NAMES[(number + place + 4) % 12]
            here, there = CITIES[(number + place) % 11], CITIES[(number + 2 * place + 5) % 11]
            told = f"{language.lives.format(one, here)} {language.lives.format(other, there)}"
            yield Filled(f"{told} {language.where.format(other)}", "names", [there, here], there)
        for first, second in ((2 + number, 3), (10 + number, 5), (7, 6 + number)):
            yield Filled(language.sum.format(first, second), "number", first + second, str(first + second))
        for word in _FOREIGN_WORDS:
            yield Filled(language.repeat.format(word), "only", word, word)
        for place in range(2):
            one, other = language.colours[place], language.colours[place + 1]
            yield Filled(language.colour.format(one, other), "names", [other, one], other.capitalize())


TEMPLATES: Mapping[str, Callable[[], Iterator[Filled]]] = {
    "instructions": _instructions, "arithmetic": _arithmetic, "reading": _reading, "knowledge": _knowledge,
    "formatting": _formatting, "languages": _languages,
}  # fmt: skip
"""The templates of each kind."""

"""Words with a capital letter that name nobody: days, months, languages, titles, and what German nouns look like."""

from adapterd.evaluation.metrics.grounding.forms import key
from adapterd.evaluation.metrics.grounding.number_words import MONTHS, TIMES


def _keys(text: str) -> frozenset[str]:
    return frozenset(map(key, text.split()))


TITLES = _keys(
    "mr mrs ms miss dr prof professor sir madam mister lord lady herr frau herrn madame monsieur mme señor señora sr "
    "sra signor signora dott senhor senhora dom don господин госпожа г-н г-жа κύριος κυρία κ mevrouw meneer"
)
"""What stands in front of a person's name."""
COMMON = (
    _keys(
        "i i'm i've i'd i'll ok internet web online email god tv pdf url html json csv api faq id am pm ad bc ce bce "
        "monday tuesday wednesday thursday friday saturday sunday montag dienstag mittwoch donnerstag freitag samstag "
        "sonntag english german french spanish italian portuguese dutch russian greek arabic hindi thai chinese "
        "japanese korean turkish polish swedish danish norwegian finnish swiss austrian american british european "
        "asian african canadian australian indian irish scottish welsh belgian czech hungarian romanian ukrainian "
        "christmas easter ramadan st mount lake river north south east west northern southern eastern western sie ihr "
        "ihre ihnen ihrem ihren ihrer usd eur gbp chf kg km cm mm gb mb tb kb ghz mhz vs etc inc ltd gmbh ag kg co llc "
        "a b c d e f g h ii iii iv vi vii viii ix q1 q2 q3 q4 yes no none n/a true false"
    )
    | TITLES
    | MONTHS.keys()
    | TIMES.keys()
)
"""What no text has to have before an answer may say it."""
GERMAN = _keys(
    "der die das und ist nicht ein eine einen mit von für auf dem den im zu wird werden wurde sind hat haben auch als "
    "bei aus nach sich des am zum zur er sie es"
)
"""German words that hardly any sentence is without."""
GERMAN_NOUNS = _keys(
    "ende anfang mitte prozent euro dollar meter kilometer liter gramm kilogramm tonnen grad uhr jahr jahre jahren "
    "monat monate monaten woche wochen tag tage tagen stunde stunden minute minuten hause haus zukunft kraft "
    "betrieb angaben bericht sicht ansicht arbeit gefahr holz wasser milch luft strom geld zeit teil rahmen regel "
    "folge frage antwort grund ziel ort orte menschen leute kinder gäste personen mitarbeiter stück mal beginn "
    "schluss meinung bedarf "
    "abschluss eigenregie deutsch englisch text quelle artikel dokument"
)
"""German nouns that stand without an article, as names do."""
GERMAN_ENDINGS = (
    "ung", "ungen", "heit", "heiten", "keit", "keiten", "schaft", "schaften", "tion", "tionen", "tat", "taten", "nis",
    "nisse", "nissen", "chen", "lein", "ling", "linge", "ismus", "ment", "mente", "anz", "enz", "ur", "uren", "ie",
    "ien", "ik", "tum", "sal", "erin", "erinnen", "innen", "eur", "eure", "ierung", "werk", "zeit", "haus", "platz",
)  # fmt: skip
"""What German nouns end with and names seldom do."""
GERMAN_INFLECTION = ("e", "en", "er", "es", "em")
"""How a German adjective or pronoun ends that a sentence begins with."""
GERMAN_BEGINNINGS = GERMAN | _keys(
    "seit laut durch ohne unter über vor zwischen während wenn weil dass ob heute gestern dort hier dann danach dabei "
    "damit dafür daher zudem außerdem etwa rund nur noch mehr viel kein mein sein ihr zwei drei vier fünf sechs acht "
    "neun zehn elf zwölf so da doch jedoch dazu hinzu gibt insgesamt gut fast ab bis trotz wegen gegen um was wie wo "
    "wann warum wozu womit jetzt bald oft statt anstatt obwohl falls sobald nun davon darin darauf daneben pro je"
)
"""What German sentences begin with in front of a noun."""
GERMAN_BEFORE_NAMES = _keys("in aus nach bei laut sagt sagte erklärt erklärte heißt namens meint meinte von")
"""German words behind which a noun without an article may be a name."""
ENDINGS = frozenset(
    ("", "s", "es", "'s", "e", "n", "en", "ns", "ens", "er", "a", "u", "i", "y", "o", "owi", "em", "om", "ow", "ie",
     "ą", "ę", "ovi", "ova", "ou", "а", "у", "ю", "я", "е", "ы", "и", "ь", "ом", "ем", "ой", "ей", "ого", "ому", "ым",
     "им", "ая", "ую", "ые", "ии", "ией", "ию", "ов", "ами", "ах", "ов", "ския", "ский", "ской", "ς", "υ", "ου",
     "ο", "α", "ας", "η", "ης", "ος", "ον", "ο", "οι", "ων", "ες", "ε")
)  # fmt: skip
"""Endings by which two forms of one name differ, in Germanic, Romance and Slavic languages and in Greek."""

"""General prompts: what people ask a model that have no trade in mind. None is in the guard set, nor nearly."""

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

from adapterd.chat import Message, Prompt, Role

_SUBJECTS = ("the tide", "bread", "bees", "a bicycle", "thunder", "the printing press", "sleep", "glass")
_EXPLAINED = (
    "What is {} good for? One sentence, please.",
    "Tell a child in two sentences how {} works or comes to be.",
    "Give me three keywords about {}, separated by commas.",
)
_WRITTEN = (
    "Write a two-line birthday greeting for my aunt.",
    "Write one polite sentence that declines an invitation to dinner.",
    "Suggest a name for a small bakery by the sea.",
    "Write a headline for a story about a lost dog that came home.",
    "Begin a fairy tale with one sentence.",
    "Write a short notice: the lift is out of order until Thursday.",
    "Thank a neighbour for watering the plants, in one sentence.",
    "Make up a slogan for a second-hand bookshop.",
)
_REWRITTEN = (
    "Make this friendlier: Send me the file.",
    "Shorten this: I am writing to you in order to ask whether you would be able to come tomorrow.",
    "Correct the spelling: Ther is a problm with my acount.",
    "Put this into the past tense: She walks to work and buys a paper.",
    "Say this more formally: Hey, the heating is broken again.",
    "Turn this into a question: The museum opens at ten.",
    "Replace the adjectives by their opposites: The old house has a narrow gate.",
    "Summarise in five words: After a long night of rain the river left its banks, and the school stayed closed.",
)
_FOUND = (
    "Who is the sender in this message? 'Dear Mr Hall, the parcel is on its way. Yours, Ruth Stone'",
    "What was bought? 'On Sunday we took the bus to town and came back with a new kettle.'",
    "How many guests came? 'We had set twelve places, but only seven people turned up.'",
    "Where do they meet? 'See you at eight, not at the station but in front of the library.'",
    "Is this review good or bad? 'I would not go there again, the soup was cold.'",
    "What is the person worried about? 'If it freezes tonight, my tomatoes are gone.'",
    "Which month is meant? 'We moved in four weeks after New Year.'",
    "What language is this? 'Onde fica a estação de comboios?'",
)
_REASONED = (
    "I have two hours and three errands of forty minutes each. Do I have time for a coffee?",
    "A shirt costs 20 euros and is reduced by a quarter. What do I pay?",
    "If the meeting is moved from Tuesday to two days later, on which day is it?",
    "What comes next: 2, 4, 8, 16?",
    "Milk is on the list, flour is at home, eggs are on the list. What do I have to buy?",
    "Which is faster over ten kilometres, walking or cycling, and why?",
    "My train leaves at 9:40, and I need 25 minutes to the station. When should I go?",
    "Name something that is round, red and can be eaten.",
)
_OTHER_LANGUAGES = (
    "Nenne drei Dinge, die man zum Zelten braucht.",
    "Explique en une phrase pourquoi les feuilles tombent.",
    "Escribe una frase amable para despedirte de un compañero.",
    "Scrivi una frase su una giornata al mare.",
    "Formuleer een korte uitnodiging voor een verjaardag.",
    "Napisz jedno zdanie o zimie.",
    "Wie sagt man höflich, dass man sich verspätet?",
    "Quel est le contraire de la solitude ?",
)
_LISTS = (
    "List three ways to save water at home.",
    "Name four things that belong in a first-aid kit.",
    "Give two arguments for and two against working from home.",
    "What should I pack for a day in the mountains? A short list.",
    "Name three musical instruments with strings.",
    "Give me a five-step plan to clean a bicycle.",
    "Which three questions should I ask before renting a flat?",
    "List the meals of a day with one idea each.",
)
_TALK = (
    "Hello! How are you today?",
    "I cannot sleep. What can I do?",
    "Can you recommend something to read on a train?",
    "What can you help me with?",
    "I feel nervous before an exam. Say something kind.",
    "Do you prefer tea or coffee?",
    "Tell me a joke about a cat.",
    "Goodbye, and thank you for your help.",
)


def replay_prompts() -> Sequence[Prompt]:
    """All of them, the kinds in turn, so that the first few are of every kind."""
    explained = tuple(each.format(subject) for each in _EXPLAINED for subject in _SUBJECTS)
    kinds = (_WRITTEN, _REWRITTEN, _FOUND, _REASONED, explained, _OTHER_LANGUAGES, _LISTS, _TALK)
    return [(Message(Role.USER, text),) for text in _in_turn(kinds)]


def _in_turn(kinds: Sequence[Sequence[str]]) -> Iterator[str]:
    return (text for text in chain.from_iterable(zip_longest(*kinds)) if text is not None)

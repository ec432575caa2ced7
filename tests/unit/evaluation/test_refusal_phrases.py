"""Which texts say that they do not answer, and which only sound so."""

import pytest

from adapterd.evaluation.metrics.refusals import refuses

REFUSALS = [
    "I do not know.",
    "I don't know",
    "I don’t know",
    "I really don't know.",
    "I'm not able to answer that.",
    "I cannot answer that",
    "I can’t tell from this.",
    "Unfortunately, I am not able to answer.",
    "I have no information on that.",
    "It is not mentioned in the text.",
    "That isn't mentioned in the text",
    "This is not stated.",
    "The text does not say.",
    "The article doesn't mention it.",
    "The provided context does not say who won.",
    "The source does not contain that information.",
    "The documents do not contain enough information.",
    "The text gives no information about that.",
    "It cannot be determined.",
    "It cannot be determined from the text.",
    "The date can't be determined from the provided sources.",
    "Not enough information.",
    "There is not enough information to answer.",
    "There is no information about it",
    "There is no mention of it in the text.",
    "No information.",
    "Sorry. No information is available.",
    '"I don\'t know."',
    "Ich weiß es nicht.",
    "Das weiß ich leider nicht.",
    "Das kann ich nicht beantworten.",
    "Der Text sagt es nicht.",
    "Im Text wird das nicht erwähnt.",
    "Dazu habe ich keine Informationen.",
    "Nicht genug Informationen.",
    "Je ne sais pas.",
    "Je ne peux pas répondre à cette question.",
    "Ce n’est pas mentionné dans le texte.",
    "Le texte ne le précise pas.",
    "Pas assez d’informations.",
    "No lo sé.",
    "No puedo responder a eso.",
    "No se menciona en el texto.",
    "El texto no lo dice.",
    "Non lo so.",
    "Non posso rispondere.",
    "Non è menzionato nel testo.",
    "Il testo non lo dice.",
    "Não sei.",
    "Não consigo responder.",
    "Não é mencionado no texto.",
    "O texto não diz.",
    "Dat weet ik niet.",
    "Ik weet het niet.",
    "Dat wordt niet vermeld in de tekst.",
    "Onvoldoende informatie.",
]
ANSWERS = [
    "",
    "I know that he cannot swim.",
    "The mayor did not answer the question.",
    "No information was lost in the attack",
    "There is no information desk at the station.",
    "The name is not given to anybody.",
    "She was not mentioned in dispatches.",
    "The company does not provide information about salaries.",
    '"I don\'t know," the mayor said.',
    "“I cannot say,” she told them.",
    "He said that he does not know.",
    "The cause cannot be determined yet.",
    "It cannot be determined by a vote alone, the court ruled.",
    "The letter is not available to the public.",
    "The text does not say that he left; it says that he stayed.",
    "They do not have enough soldiers.",
    "Ich weiß nicht nur das, sondern auch mehr.",
    "Er wusste es nicht.",
    "Il ne sait pas nager.",
    "No sabe nadar.",
    "No information, no vote, the party demanded: it won.",
    "The source of the river is not known to many.",
    "Non piove.",
    "Não chove.",
    "Hij weet het niet.",
    "The dog is not found in the wild.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_a_refusal_is_understood(text: str) -> None:
    assert refuses(text)
    assert refuses(text.upper())


@pytest.mark.parametrize("text", ANSWERS)
def test_an_answer_is_no_refusal(text: str) -> None:
    assert not refuses(text)


def test_a_long_text_is_searched_once() -> None:
    assert not refuses("the text is in der quelle im text " * 20_000)

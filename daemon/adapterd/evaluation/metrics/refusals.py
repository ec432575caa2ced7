"""Which texts say that they do not answer: in English, German, French, Spanish, Italian, Portuguese and Dutch.

A refusal is said by the model itself, in the first person, or of the source that it was given. What stands in quotation
marks somebody else says, and a plain statement that something is not known, or not there, is an answer.
"""

import re

from adapterd.evaluation.metrics.text_forms import folded

_END = r"(?= *(?:[.!;,:)]|$))"
_QUESTION = rf"(?:{_END}| (?:who|what|when|where|why|how|which|whether|if|any|anything|enough|the answer)\b)"
_SAID = "(?:mentioned|stated|given|covered|specified|provided|discussed|addressed|included|found|contained|available)"
_SAY = "(?:say|mention|state|tell|specify|contain|provide|give|include|answer|cover|discuss|indicate|explain)"
_NOT = "(?: not|n't)"
_SOURCE = "(?:(?:given|provided|above) )*(?:text|source|article|document|passage|context|excerpt|information)s?"
_GERMAN_SOURCE = "(?:text|quellen?|artikel|dokument|kontext)"
_FRENCH_SOURCE = "(?:texte|source|article|document|contexte)s?"
_ENGLISH = (
    rf"i (?:(?:really|just|simply|honestly|still) )?do{_NOT} (?:know|have (?:(?:enough|any|that|the) )*information)\b",
    r"i(?: cannot| can not| can't| could not| couldn't|(?:'m| am) (?:unable|not able) to) "
    r"(?:answer|find|tell|determine|help|say)\b",
    r"i have no (?:information|idea)\b",
    rf"(?:is|are|was|were){_NOT} (?:explicitly )?{_SAID} (?:anywhere )?(?:in|by) (?:the|this|these) {_SOURCE}\b",
    rf"(?:it|this|that|the answer)(?:'s not| is not| isn't) (?:explicitly )?{_SAID}{_END}",
    rf"(?:the|this|these) {_SOURCE} do(?:es)?{_NOT} (?:explicitly )?{_SAY}(?: it| that| this)?{_QUESTION}",
    rf"(?:the|this|these) {_SOURCE} do(?:es)?{_NOT} {_SAY} (?:(?:any|the|this|that|enough) )*(?:information|details)\b",
    rf"(?:the|this|these) {_SOURCE} (?:gives?|contains?|provides?|offers?|has|have) no (?:information|details)\b",
    rf"(?:it|this|that|the answer) (?:cannot|can't|can not) be (?:determined|answered|inferred|established|told){_END}",
    rf"(?:cannot|can't|can not) be (?:determined|answered|inferred|established) (?:from|based on|with) the {_SOURCE}\b",
    r"(?:not enough|insufficient) (?:information|context)\b",
    r"(?:there is|there's|i (?:found|see|have)) no (?:information|mention|answer)"
    rf"(?:{_END}| (?:about|on|of|regarding|available|given|provided|in the {_SOURCE})\b)",
    r"(?:^|(?<=[.!;:] ))no (?:information|answer)(?: (?:is )?(?:available|given|provided|found)\b|(?= *(?:[.!)]|$)))",
)
_GERMAN = (
    rf"ich weiss (?:es |das |die antwort )?(?:leider )?nicht{_END}",
    rf"(?:das|es|dies) weiss ich (?:leider )?nicht{_END}",
    r"kann ich (?:\w+ ){0,3}nicht (?:sagen|beantworten|bestimmen|finden|angeben|feststellen)\b",
    r"ich kann (?:\w+ ){0,3}nicht (?:sagen|beantworten|bestimmen|finden|angeben|feststellen)\b",
    rf"(?:im|in de[rmn]|aus de[rmn]) {_GERMAN_SOURCE}\b.{{0,40}}\bnicht "
    r"(?:erwähnt|genannt|angegeben|enthalten|hervor|beantwortet|zu entnehmen)\b",
    rf"(?:der|die|das|dieser) {_GERMAN_SOURCE} (?:sagt|nennt|erwähnt|sagen|nennen|erwähnen)(?: es| das)? nicht{_END}",
    r"(?:nicht genug|nicht genügend|zu wenige?) (?:informationen|angaben)\b",
    r"(?:dazu|darüber|hierzu) (?:gibt es|habe ich|finde ich|liegen mir) keine (?:informationen|angaben)\b",
    r"keine (?:informationen|angaben) (?:dazu|darüber|hierzu|vorhanden)\b",
)
_FRENCH = (
    r"je ne (?:le )?sais pas\b",
    r"je ne (?:peux pas|puis|suis pas en mesure de|parviens pas à) (?:y )?(?:répondre|dire|trouver|déterminer)\b",
    rf"n(?:'est|e sont) pas (?:mentionn|précis|indiqu|donn)ée?s? (?:dans|par) (?:l'|le |la |les |ce ){_FRENCH_SOURCE}",
    rf"(?:l'|le |la |les |ce ){_FRENCH_SOURCE} ne (?:le )?(?:dit|précise|mentionne|indique) pas{_END}",
    r"(?:pas assez d'informations?\b|aucune information (?:disponible|à ce sujet)\b)",
)
_SPANISH = (
    rf"no (?:lo )?sé{_END}",
    r"no (?:puedo|pude) (?:responder|contestar|decir|encontrar|determinar)\b",
    rf"no se (?:menciona|indica|especifica|puede determinar)(?:{_END}| en (?:el|la|los|las) (?:texto|fuente|artículo))",
    rf"(?:el|este|la) (?:texto|artículo|documento|fuente) no (?:lo )?(?:dice|menciona|indica|especifica){_END}",
    r"no (?:hay|tengo) (?:suficiente )?información (?:suficiente|sobre|en)\b|no (?:hay|tengo) suficiente información\b",
)
_ITALIAN = (
    r"non lo so\b",
    r"non (?:posso|sono in grado di|riesco a) (?:rispondere|dire|trovare|determinare)\b",
    r"non (?:è|sono|viene) (?:menzionat|indicat|specificat)[oaie] (?:nell?[oae]? |nell'|nei )(?:test|font|articol)",
    rf"(?:il|questo|la) (?:testo|articolo|documento|fonte) non (?:lo )?(?:dice|menziona|indica|specifica){_END}",
    r"non (?:ci sono|ho) (?:abbastanza|sufficienti) informazioni\b",
)
_PORTUGUESE = (
    rf"(?:eu )?não sei{_END}",
    r"não (?:posso|consigo) (?:responder|dizer|encontrar|determinar)\b",
    r"não (?:é|são|está|foi) (?:mencionad|indicad|especificad|informad)[oa]s? n[oa]s? (?:texto|fonte|artigo)s?\b",
    rf"(?:o|este|a) (?:texto|artigo|documento|fonte) não (?:o )?(?:diz|menciona|indica|especifica){_END}",
    r"não (?:há|tenho) informações (?:suficientes|sobre)\b",
)
_DUTCH = (
    rf"(?:ik weet (?:het |dat )?|(?:dat|het) weet ik )niet{_END}",
    r"ik kan (?:\w+ ){0,3}niet (?:beantwoorden|zeggen|vinden|bepalen)\b",
    r"(?:wordt|staat|is) niet (?:vermeld |genoemd )?in (?:de|het|deze) (?:tekst|bron|bronnen|artikel)\b",
    r"(?:niet genoeg|onvoldoende) informatie\b",
)
_PHRASES = (*_ENGLISH, *_GERMAN, *_FRENCH, *_SPANISH, *_ITALIAN, *_PORTUGUESE, *_DUTCH)
_REFUSAL = re.compile(rf"(?<!\w)(?:{'|'.join(_PHRASES)})")
_QUOTED = re.compile(r'"[^"]*"')


def refuses(text: str) -> bool:
    """Whether a text says that it does not answer."""
    form = folded(text)
    if len(form) > 1 and form[0] == form[-1] == '"':  # a model that quotes its whole answer
        form = form[1:-1]
    return _REFUSAL.search(_QUOTED.sub(" ", form)) is not None

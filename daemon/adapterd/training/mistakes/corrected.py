"""Own answers, corrected where a list says an item again: what the model in training should go on with there.

An example shows how to answer; it does not show what to do where the model's own answer has gone astray. So its own
beginning of the answer is followed by the right end (DAgger, Ross et al. 2011, arXiv:1011.0686).
"""

from collections.abc import Sequence
from itertools import takewhile

from adapterd.base.gguf.tokenizer import Tokenizer
from adapterd.formats.encoded import EncodedExample
from adapterd.training.mistakes.json_lists import ListInText, lists_in


def corrected_text(said: str, right: str) -> tuple[str, int] | None:
    """An answer in JSON up to the first list that repeats an item, without the repetition, and from there on as the
    right answer: behind that list, or behind the same items where it began with these; and how many of its characters
    are its own. None where no list repeats an item, or the right answer has no such list, or repeats an item there
    itself."""
    there = {each.path: each for each in lists_in(right) if each.closed}
    for each in lists_in(said):
        repeated, wanted = _first_repeated(each), there.get(each.path)
        if repeated and wanted and not _first_repeated(wanted):
            own, begun_right = each.ends[repeated - 1], each.items[:repeated] == wanted.items[:repeated]
            goes_on = wanted.ends[repeated - 1] if begun_right else wanted.end
            return said[:own] + right[goes_on:], own
    return None


def _first_repeated(each: ListInText) -> int | None:
    """Which item is the first that was there before."""
    return next((place for place, item in enumerate(each.items) if item in each.items[:place]), None)


def corrected(example: EncodedExample, ids: Sequence[int], tokenizer: Tokenizer) -> EncodedExample | None:
    """The example with an own beginning of the answer, of which only the right end carries loss; None where there is
    nothing to correct, or the beginning is not what the model said, token by token."""
    prompt, right = example.ids[: example.prompt_tokens], example.ids[example.prompt_tokens : -1]
    found = corrected_text(tokenizer.text(ids), tokenizer.text(right))
    if found is None:
        return None
    text, own = found
    encoded = tokenizer.encode_continuation(text)
    same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(encoded, ids, strict=False)))
    if len(tokenizer.text(ids[: same + 1])) < own:
        return None
    return EncodedExample((*prompt, *encoded, example.ids[-1]), len(prompt) + same, example.record)

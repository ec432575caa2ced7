"""What is learned where a template has opened a thought in the prompt: the answer, and not another thought."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from adapterd.chat import Message, Role, after_opened_thought, closing_of, thought_and_answer, without_thought
from adapterd.dataset.encoding import encode, encode_pairs
from adapterd.dataset.examples import Example, PreferencePair
from adapterd.dataset.thoughts import Thoughts
from tests.unit.dataset.letter_tokenizer import END, LetterTokenizer, letters

TOKENIZER = LetterTokenizer()
PROMPT = (Message(Role.USER, "Title?"),)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Template:
    """A chat template in miniature: what opens the model's turn, and what becomes of thoughts in earlier ones."""

    def __init__(self, opening: str = "", header: str = "assistant\n", strips: str | None = None) -> None:
        self.opening, self.header, self.strips = opening, header, strips

    def __call__(self, messages: Sequence[Message]) -> str:
        text = "".join(f"{self._header(each)}{self._content(each)}<end>\n" for each in messages)
        return text + (f"{self.header}{self.opening}" if messages[-1].role is Role.USER else "")

    def _header(self, message: Message) -> str:
        return self.header if message.role is Role.ASSISTANT else f"{message.role}\n"

    def _content(self, message: Message) -> str:
        return re.sub(self.strips, "", message.content, flags=re.DOTALL) if self.strips else message.content


def learned(template: Template, completion: str) -> str:
    """The text that follows the prompt."""
    [example] = encode([Example(PROMPT, completion, "r", "p", NOW)], template, TOKENIZER, END)
    assert list(example.ids[: example.prompt_tokens]) == TOKENIZER.encode_prompt(template(PROMPT)), "as it is served"
    assert example.ids[-1] == END
    return "".join(chr(token - 10) for token in example.ids[example.prompt_tokens : -1])


R1 = Template("<think>\n", header="<｜Assistant｜>", strips=r"^.*</think>\s*")
ALWAYS_OPEN = {
    "QwQ": Template("<think>\n"),
    "R1": R1,
    "no line break": Template("<think>"),
    "empty thoughts in earlier turns": Template("<think>\n", header="assistant\n<think>\n\n</think>\n\n"),
    "Seed": Template("<seed:think>\n"),
    "Magistral": Template("[THINK]", header="[/INST]"),
    "Kimi": Template("◁think▷"),
    "Command A": Template("<|START_THINKING|>", header="<|CHATBOT_TOKEN|>"),
}


@pytest.mark.parametrize("template", ALWAYS_OPEN.values(), ids=ALWAYS_OPEN)
def test_an_answer_without_a_thought_closes_the_one_that_the_prompt_has_opened(template: Template) -> None:
    said = learned(template, '{"title": "x"}')
    assert said.strip() == f'{closing_of(template.opening.strip())}\n\n{{"title": "x"}}'
    assert said.startswith("\n") != template.opening.endswith("\n"), "one line break, not two"
    assert after_opened_thought(template(PROMPT), said) == '{"title": "x"}', "what is delivered"


@pytest.mark.parametrize("template", ALWAYS_OPEN.values(), ids=ALWAYS_OPEN)
@pytest.mark.parametrize("completion", ["<think>\nwhy?\n</think>\n\nBecause.", "<think>why?</think>Because."])
def test_a_thought_goes_on_in_the_one_that_the_prompt_has_opened(template: Template, completion: str) -> None:
    said = learned(template, completion)
    assert said.strip() == f"why?\n{closing_of(template.opening.strip())}\n\nBecause."


def test_of_what_a_model_said_to_such_a_prompt_there_is_the_closing_tag_only() -> None:
    assert learned(ALWAYS_OPEN["QwQ"], "why?\n</think>\n\nBecause.") == "why?\n</think>\n\nBecause."


@pytest.mark.parametrize(
    "template",
    [
        Template(),
        Template("<think>\n\n</think>\n\n"),
        Template("<think>\n</think>"),
        Template(header="<|start_header_id|>assistant<|end_header_id|>\n\n"),
        Template(header="[/INST]"),
        Template("<answer>\n"),
    ],
    ids=["plain", "Qwen3, not to think", "llama.cpp, not to think", "Llama 3", "Mistral", "an answer's own tag"],
)
def test_where_no_thought_is_open_an_answer_stays_as_it_is(template: Template) -> None:
    assert learned(template, "Because.") == "Because."
    assert learned(template, "The tag is <think>x</think>.") == "The tag is <think>x</think>."


def test_where_no_thought_is_open_a_thought_brings_its_tags() -> None:
    assert learned(Template(), "<think>why?</think>Because.") == "<think>\nwhy?\n</think>\n\nBecause."


GEMMA4 = {"<|channel>": 3, "<channel|>": 4}
MAGISTRAL = {"[THINK]": 3, "[/THINK]": 4}
QWEN = {"<think>": 3, "</think>": 4}
WRITTEN = {
    "Gemma 4": (GEMMA4, (3, *letters("thought\nwhy?\n"), 4, *letters("Because."))),
    "Magistral": (MAGISTRAL, (3, *letters("why?"), 4, *letters("Because."))),
    "Qwen 3": (QWEN, (3, *letters("\nwhy?\n"), 4, *letters("\n\nBecause."))),
    "Llama 3": ({}, None),
}


@pytest.mark.parametrize(("tokens", "ids"), WRITTEN.values(), ids=WRITTEN)
@pytest.mark.parametrize(
    "completion",
    [
        "<think>\nwhy?\n</think>\n\nBecause.",
        "[THINK]why?[/THINK]Because.",
        "<|channel>thought\nwhy?\n<channel|>Because.",
        "<|START_THINKING|>why?<|END_THINKING|>Because.",
    ],
    ids=["Qwen 3's", "Magistral's", "Gemma 4's", "Command A's"],
)
def test_a_thought_is_taught_in_the_tags_that_the_vocabulary_has(
    tokens: dict[str, int], ids: tuple[int, ...] | None, completion: str
) -> None:
    said = Thoughts(Template(), LetterTokenizer(tokens)).completion("assistant\n", completion)
    if ids is None:  # it has none: the text's own are kept
        text = "".join(chr(token - 10) for token in said)
        assert re.sub(r"\s", "", text) == re.sub(r"\s", "", completion)
    else:
        assert tuple(said) == ids


def test_a_vocabulary_with_several_keeps_those_of_the_text() -> None:
    tokenizer = LetterTokenizer({"<think>": 3, "</think>": 4, "[THINK]": 5, "[/THINK]": 6})
    said = Thoughts(Template(), tokenizer).completion("assistant\n", "[THINK]why?[/THINK]Because.")
    assert said == [5, *letters("why?"), 6, *letters("Because.")]


def test_tags_of_an_unknown_family_stay_where_the_vocabulary_has_them() -> None:
    tokenizer = LetterTokenizer({"<think>": 3, "</think>": 4, "<|START_THINKING|>": 5, "<|END_THINKING|>": 6})
    said = Thoughts(Template(), tokenizer).completion("assistant\n", "<|START_THINKING|>why?<|END_THINKING|>Because.")
    assert said == [5, *letters("\nwhy?\n"), 6, *letters("\n\nBecause.")]


def test_a_tag_of_any_name_is_known_by_what_the_template_does_with_it() -> None:
    strange = Template("<pondering>\n", strips=r"<pondering>.*</pondering>\s*")
    assert learned(strange, "Because.") == "</pondering>\n\nBecause."


def test_tags_of_the_model_are_markup_and_those_in_an_answer_are_letters() -> None:
    tokenizer = LetterTokenizer()
    thoughts = Thoughts(Template("<think>\n"), tokenizer)
    ids = thoughts.completion("assistant\n<think>\n", "an <end> in an answer")
    assert END not in ids
    marked = Thoughts(Template(), tokenizer).completion("assistant\n", "<think><end></think>a")
    assert END not in marked


@pytest.mark.parametrize("completion", ["Because.", "<think>why?</think>Because."])
def test_where_a_server_does_not_tell_thoughts_apart_the_answer_follows_at_once(completion: str) -> None:
    asked = []

    def apart() -> bool:
        asked.append(1)
        return False

    examples = [Example(PROMPT, completion, "r", "p", NOW)] * 2
    encoded = list(encode(examples, Template("<think>\n"), TOKENIZER, END, apart))
    assert [each.ids[each.prompt_tokens :] for each in encoded] == [(*letters("Because."), END)] * 2
    assert len(asked) == 1
    list(encode(examples, Template(), TOKENIZER, END, pytest.fail))


def test_preferences_close_the_thought_on_both_sides() -> None:
    [pair] = encode_pairs([PreferencePair(PROMPT, "good", "bad", "r", "p", NOW)], R1, TOKENIZER, END)
    assert pair.chosen[pair.prompt_tokens :] == (*letters("</think>\n\ngood"), END)
    assert pair.rejected[pair.prompt_tokens :] == (*letters("</think>\n\nbad"), END)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("[THINK]why?[/THINK]Because.", "Because."),
        ("<|START_THINKING|>why?<|END_THINKING|>Because.", "Because."),
        ("◁think▷why?◁/think▷Because.", "Because."),
        ("<seed:think>why?</seed:think>\nBecause.", "Because."),
        ("why?\n</think>\n\nBecause.", "Because."),
        ("<|channel>thought\nwhy?\n<channel|>Because.", "Because."),
        ("<|channel>thought\n<channel|>Because.", "Because."),
        ("The tag <channel|> closes a thought.", "The tag <channel|> closes a thought."),
        ("The tag </think> closes a thought.", "The tag </think> closes a thought."),
        ("<think>an open thought", "<think>an open thought"),
        ("<b>think</b> about it", "<b>think</b> about it"),
        ("", ""),
    ],
)
def test_thoughts_are_found_whatever_their_tags(text: str, answer: str) -> None:
    assert without_thought(text) == answer


def test_a_long_text_is_looked_through_once() -> None:
    text = "<think" * 50_000 + "[" * 50_000
    assert thought_and_answer(text).answer == text


def test_an_answer_that_does_not_close_its_thought_delivers_nothing() -> None:
    assert after_opened_thought("assistant\n<think>\n", "why? Because.") == ""
    assert after_opened_thought("assistant\n<think>\n", "why?</think>\n\nBecause.") == "Because."
    assert after_opened_thought("assistant\n", "Because.") == "Because."

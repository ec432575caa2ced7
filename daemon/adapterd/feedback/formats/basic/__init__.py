"""The formats of data sets and of tools that train, in the order in which they are tried."""

from adapterd.feedback.formats.basic.alpaca import ALPACA
from adapterd.feedback.formats.basic.axolotl import AXOLOTL
from adapterd.feedback.formats.basic.completion import COMPLETION, PROMPT_RESPONSE, QUERY_RESPONSE
from adapterd.feedback.formats.basic.native import NATIVE
from adapterd.feedback.formats.basic.openai_chat import OPENAI_CHAT
from adapterd.feedback.formats.basic.openai_preference import OPENAI_PREFERENCE
from adapterd.feedback.formats.basic.preference import IMPLICIT_PREFERENCE, PREFERENCE
from adapterd.feedback.formats.basic.questions import CORRECTED_QUESTION, QUESTION_ANSWER, QUESTION_LIST
from adapterd.feedback.formats.basic.sharegpt import INPUT_OUTPUT_CONVERSATION, SHAREGPT

BASIC_FORMATS = (
    OPENAI_PREFERENCE,
    PREFERENCE,
    INPUT_OUTPUT_CONVERSATION,
    SHAREGPT,
    OPENAI_CHAT,
    COMPLETION,
    PROMPT_RESPONSE,
    QUERY_RESPONSE,
    NATIVE,
    AXOLOTL,
    ALPACA,
    CORRECTED_QUESTION,
    QUESTION_ANSWER,
    QUESTION_LIST,
    IMPLICIT_PREFERENCE,
)

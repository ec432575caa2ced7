"""The exports of tools in which people judge answers, and logs of requests, in the order in which they are tried."""

from adapterd.feedback.formats.tools.argilla import ARGILLA
from adapterd.feedback.formats.tools.argilla_rows import ARGILLA_ROW
from adapterd.feedback.formats.tools.label_studio import LABEL_STUDIO, LABEL_STUDIO_ROW
from adapterd.feedback.formats.tools.langfuse import LANGFUSE_ITEM, LANGFUSE_TRACE
from adapterd.feedback.formats.tools.langsmith import LANGSMITH_EXAMPLE, LANGSMITH_RUN
from adapterd.feedback.formats.tools.open_webui import OPEN_WEBUI_CHAT, OPEN_WEBUI_FEEDBACK
from adapterd.feedback.formats.tools.request_logs import CHOICES_LOG, OLLAMA_LOG, REQUEST_LOG
from adapterd.feedback.formats.tools.tensorzero import TENSORZERO, TENSORZERO_QUERY

TOOL_FORMATS = (
    OPEN_WEBUI_FEEDBACK,
    OPEN_WEBUI_CHAT,
    LABEL_STUDIO,
    LABEL_STUDIO_ROW,
    ARGILLA,
    ARGILLA_ROW,
    TENSORZERO,
    TENSORZERO_QUERY,
    LANGFUSE_ITEM,
    LANGFUSE_TRACE,
    LANGSMITH_EXAMPLE,
    LANGSMITH_RUN,
    REQUEST_LOG,
    OLLAMA_LOG,
    CHOICES_LOG,
)

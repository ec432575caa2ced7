from adapterd.record import *  # noqa: F403
from adapterd.record import FailureTag, FeedbackRecord  # noqa: F401

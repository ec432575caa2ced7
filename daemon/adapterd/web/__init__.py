"""Feedback over HTTP, on loopback only: applications post records, and the reply says whether they can be used.

A post is on the disk before it is answered, and may be repeated: records are known by the hash of their content. Who
may post has the token of the home; what is posted is trusted no more than what lies in an inbox.
"""

from adapterd.web.server import FeedbackServer

__all__ = ["FeedbackServer"]

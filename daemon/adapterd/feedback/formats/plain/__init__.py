"""The short way for plain records, which nearly all are: what they say by a plan that is made once for their fields."""

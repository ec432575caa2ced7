"""A model that judges answers: what it is asked, how far it agrees with people, and what its verdicts add to theirs."""

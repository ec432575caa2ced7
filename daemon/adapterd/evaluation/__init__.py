"""A frozen set is asked, answers are measured, and a verdict says whether the candidate may go live."""

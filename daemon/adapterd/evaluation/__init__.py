"""The evaluation stage: a frozen set is asked, answers are measured, and a verdict says whether to promote."""

"""The season of a model as people see it: what is compared, what each night said, and what is left of the budget."""

"""What capture notes beside an answer: faults that show by themselves, and weak signs of what a person thinks."""

"""Whether what an answer says is in the texts that it rests on: numbers, names, quotations and citations."""

"""The served GGUF file: header, tensors, quantised grids, tokenizer; and llama.cpp, which reads it."""

"""The served GGUF file: header, tensors, quants, tokenizer; and llama.cpp, which reads it."""

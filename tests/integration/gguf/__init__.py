"""Files are read as the gguf library reads them, and tiny models of them are asked in process."""

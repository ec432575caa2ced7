"""Teachers: stronger models that write, repair and vary examples; what of them is kept, and why the rest was not."""

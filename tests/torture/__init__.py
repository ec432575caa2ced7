"""What is done to the product on purpose, and what it makes of it: `make torture`, figures in bench/torture.json."""

"""Examples that teachers make, and what a person says of them."""

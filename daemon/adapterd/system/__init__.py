"""What differs between macOS and Linux, one small file for each difference."""

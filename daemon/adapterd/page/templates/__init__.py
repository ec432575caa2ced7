"""The page's templates."""

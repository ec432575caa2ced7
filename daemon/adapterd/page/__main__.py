"""The page as a program: `python -m adapterd.page HOME`."""

from adapterd.page.serving import main

if __name__ == "__main__":
    main()

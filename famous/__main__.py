"""`python -m famous`."""

from famous.cli import main

if __name__ == "__main__":
    main()

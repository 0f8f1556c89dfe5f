"""`python -m gpte_data` and the command `gpte-data`."""

from gpte_data.cli import main

if __name__ == "__main__":
    main()

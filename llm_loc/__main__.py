"""The command line for ``python -m`` and ``torchrun -m``."""

from llm_loc.cli import main

if __name__ == "__main__":
    main()

"""`python -m flowcraft.cli`: the same as `flowcraft`."""

from flowcraft.cli.program import main

if __name__ == "__main__":
    main()

"""What the command lines of `./dev` share."""

from __future__ import annotations

import argparse


def count(text: str) -> int:
    """Read how many of something are asked for: none would be a success that says nothing.

    Raises:
        argparse.ArgumentTypeError: It is not a whole number of 1 or more.
    """
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of 1 or more")
    return int(text)


def parser(session: str, doc: str | None) -> argparse.ArgumentParser:
    """Make a parser whose help shows a module's docstring as it was written.

    Args:
        session: The session of `./dev` under which it is called.
        doc: The docstring.
    """
    return argparse.ArgumentParser(
        prog=f"./dev {session} --",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )

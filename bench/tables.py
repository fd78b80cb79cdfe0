"""Tables in Markdown, and options that are lists, for the benchmarks."""
import argparse


def table(head, rows):
    """A Markdown table."""
    print(f"\n| {' | '.join(head)} |\n|{'---|' * len(head)}")
    for row in rows:
        print(f"| {' | '.join(row)} |")


def shown(number, digits):
    return "-" if number is None else f"{number:.{digits}f}"


def choices(known):
    """An argparse type: a comma-separated list of some of `known`."""
    def parse(text):
        found = text.split(",")
        unknown = [word for word in found if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return found
    return parse

"""What each of these programs takes, and what it prints in the end."""

import argparse
import json
import sys
from pathlib import Path


def arguments() -> argparse.Namespace:
    """Return base_url, in_flight and prompts."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--base-url", required=True)
    parser.add_argument("--in-flight", type=int, required=True)
    parser.add_argument("--prompts", type=Path, required=True, help="JSON lines: system, user")
    return parser.parse_args()


def tell(answered: int) -> None:
    """Print how many answers there were, on a line of its own."""
    sys.stdout.write("\n" + json.dumps({"answered": answered}) + "\n")

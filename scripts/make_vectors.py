#!/usr/bin/env python3
"""Write the test vectors of `protocol/vectors` from fixed keys and seeds; the same bytes every time.

scripts/make_vectors.py                 write them all, and remove what is no longer one
scripts/make_vectors.py --check         write nothing; exit 1 and name what would change
scripts/make_vectors.py --new-key-boxes draw the pinned key boxes anew first (every vector changes)
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.protocol.vector_recipes import KEY_BOXES, new_key_boxes, pinned_key_boxes
from tests.protocol.vector_text import texts

VECTORS = KEY_BOXES.parents[1]


def main() -> int:
    """Write or check the vectors and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing, name what differs")
    parser.add_argument("--new-key-boxes", action="store_true", help="draw the pinned key boxes anew")
    options = parser.parse_args()
    if options.new_key_boxes:
        KEY_BOXES.parent.mkdir(parents=True, exist_ok=True)
        KEY_BOXES.write_text(new_key_boxes())
        pinned_key_boxes.cache_clear()
    wanted = texts()
    found = {path.name: path.read_text() for path in sorted(VECTORS.glob("*.vector"))}
    differing = sorted(name for name in wanted | found if wanted.get(name) != found.get(name))
    for name in differing:
        print(f"{name}: {'no longer a vector' if name not in wanted else 'new' if name not in found else 'changed'}")
        if options.check:
            continue
        if name in wanted:
            (VECTORS / name).write_text(wanted[name])
        else:
            (VECTORS / name).unlink()
    print(f"{len(wanted)} vectors, {len(differing)} {'differ' if options.check else 'written or removed'}")
    return 1 if options.check and differing else 0


if __name__ == "__main__":
    sys.exit(main())

"""`./scripts/faults NAME`: what must hold when parts fail."""

import sys
from collections.abc import Mapping
from typing import Final

from scripts.campaigns import faults_store, faults_witness
from scripts.campaigns.command import Campaign, main

CAMPAIGNS: Final[Mapping[str, Campaign]] = {
    "store": faults_store.CAMPAIGN,
    "witness": faults_witness.CAMPAIGN,
}

if __name__ == "__main__":
    sys.exit(main("faults", CAMPAIGNS))

"""`./scripts/perf`: benchmarks, each with its peers in the same run."""

import sys
from collections.abc import Mapping
from typing import Final

from scripts.campaigns import perf_chunk, perf_fragment, perf_ledger, perf_offload, perf_profile
from scripts.campaigns.command import Campaign, main

CAMPAIGNS: Final[Mapping[str, Campaign]] = {
    "chunk": perf_chunk.CAMPAIGN,
    "fragment": perf_fragment.CAMPAIGN,
    "offload": perf_offload.CAMPAIGN,
    "ledger": perf_ledger.CAMPAIGN,
    "chunk-profile": perf_profile.CHUNK_CAMPAIGN,
    "offload-profile": perf_profile.OFFLOAD_CAMPAIGN,
}

if __name__ == "__main__":
    sys.exit(main("perf", CAMPAIGNS))

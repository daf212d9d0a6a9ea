"""Trees in memory, and the definitions of RFC 6962 written as recursions, to hold the real code against."""

from hashlib import sha256

from protocol.ledger.merkle import Frontier, leaf_hash

# The leaves and roots of the reference tree of Certificate Transparency, for 1 to 8 leaves.
REFERENCE_LEAVES = tuple(
    bytes.fromhex(leaf)
    for leaf in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
)
REFERENCE_ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)


def leaf_data(number: int) -> bytes:
    return b"leaf %d" % number


class MemoryTree:
    """Every complete subtree of a growing tree, as its edge makes them, and how many were read."""

    def __init__(self, size: int = 0) -> None:
        self.frontier = Frontier()
        self.hashes: dict[tuple[int, int], bytes] = {}
        self.roots = [self.frontier.root()]
        self.read_count = 0
        for number in range(size):
            self.append(leaf_data(number))

    def append(self, data: bytes) -> None:
        self.frontier, made = self.frontier.append(leaf_hash(data))
        for subtree in made:
            # Written once: a log on disk never changes a hash that it has.
            assert (subtree.level, subtree.index) not in self.hashes
            self.hashes[subtree.level, subtree.index] = subtree.hash
        self.roots.append(self.frontier.root())

    def read(self, level: int, index: int) -> bytes:
        self.read_count += 1
        return self.hashes[level, index]


def plain_root(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1, over leaf hashes."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\1" + plain_root(leaves[:k]) + plain_root(leaves[k:])).digest()


def plain_path(m: int, leaves: list[bytes]) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if m < k:
        return [*plain_path(m, leaves[:k]), plain_root(leaves[k:])]
    return [*plain_path(m - k, leaves[k:]), plain_root(leaves[:k])]


def plain_subproof(m: int, leaves: list[bytes], *, is_whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962, 2.1.2; with ``is_whole`` it is PROOF."""
    if m == len(leaves):
        return [] if is_whole else [plain_root(leaves)]
    k = _split(len(leaves))
    if m <= k:
        return [*plain_subproof(m, leaves[:k], is_whole=is_whole), plain_root(leaves[k:])]
    return [*plain_subproof(m - k, leaves[k:], is_whole=False), plain_root(leaves[:k])]


def _split(count: int) -> int:
    k = 1
    while 2 * k < count:
        k *= 2
    return k

"""The pure half of the ledger: tree, proofs, tiles, signed notes, checkpoints and leaves (spec/08-ledger.md).

Keeps no log, asks no witness and draws no salt: whoever does takes the values and the bytes from here.
"""

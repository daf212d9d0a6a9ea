"""Camera firmware: record, seal, keep until central storage has proven that it holds the footage."""

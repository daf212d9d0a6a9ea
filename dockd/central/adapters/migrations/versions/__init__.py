"""The versions of the catalogue, oldest first. A released one is never changed: files that it made exist."""

"""The dock link: frames, messages and the two machines (spec/06-dock-link.md). No input or output."""

"""The offload wire between dock and central (spec/07-offload.md): topics, messages, and both ends as pure machines."""

"""The verifier: pure, the same for camera, dock, central and `sealcam-verify` (spec/05-verdict.md)."""

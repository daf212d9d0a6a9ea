"""The commands of `sealcam-central`: each joins real adapters with the app.

Composition happens here and in `__main__`.
"""

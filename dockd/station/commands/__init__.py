"""The commands of `sealcam-dock`: each joins real adapters with the app. Composition happens here and in `__main__`."""

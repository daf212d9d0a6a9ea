"""A simulated libcamera: enough of it that picamera2, unmodified, runs on a machine without a camera."""

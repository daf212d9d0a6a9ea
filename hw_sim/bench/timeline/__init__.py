"""`timeline.html`: what happened to each recording of a run, on one page, for someone who has never seen Sealcam."""

"""Docking station (`dockd.station`) and central storage (`dockd.central`), and what they share."""

"""A real ext4 in a file, mounted: by the kernel as root, by fuse2fs (Debian package fuse2fs) as anybody else."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class MountedImage:
    """An image file and where it is mounted."""

    image: Path
    folder: Path

    def snapshot(self, to: Path) -> Path:
        """Copy the image as it is on the disk now, free space included."""
        subprocess.run(["sync"], check=True)
        shutil.copyfile(self.image, to)
        return to


@contextmanager
def mounted_ext4(below: Path, name: str, *, size_mb: int) -> Iterator[MountedImage]:
    """Make, mount, and in the end unmount a file system of ``size_mb``."""
    image, folder = below / f"{name}.img", below / name
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(size_mb << 20)
    subprocess.run(
        ["/sbin/mkfs.ext4", "-q", "-F", "-E", f"root_owner={os.getuid()}:{os.getgid()}", str(image)], check=True
    )
    is_root = os.geteuid() == 0
    mount = (
        ["mount", "-o", "loop", str(image), str(folder)]
        if is_root
        else ["fuse2fs", "-o", "rw", str(image), str(folder)]
    )
    subprocess.run(mount, check=True)
    try:
        yield MountedImage(image, folder)
    finally:
        subprocess.run(["umount", str(folder)] if is_root else ["fusermount", "-u", str(folder)], check=True)

"""Tests in a Debian that is booted under its own systemd; marked `systemd`, run by `make systemd`."""

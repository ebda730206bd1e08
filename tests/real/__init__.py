"""Tests with the real daemon process, real inotify and real time."""

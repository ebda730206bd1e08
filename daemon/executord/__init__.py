"""executord: the daemon that runs the executor of a support organisation over a folder of YAML files."""

__version__ = "0.1.0"

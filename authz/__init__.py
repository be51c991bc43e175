"""The authorization server: Django project and core app in one."""

__version__ = "1.0.0rc1"

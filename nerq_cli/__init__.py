"""Trust scores for the packages a project depends on."""

#: The version of the distribution. Written here so that asking for it costs no look-up among installed packages.
__version__ = "0.1.0"

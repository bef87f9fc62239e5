"""The HTTP service: what ``nerq check`` and its kin answer, kept ready for many clients. Extra ``serve``."""

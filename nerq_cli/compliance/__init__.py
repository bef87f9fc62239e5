"""Documentation readiness: what the public documentation of an artefact has of what AI instruments ask for.

Pure functions over facts. Nothing here is legal advice or a statement that something complies with a law.
"""

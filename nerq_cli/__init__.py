"""Trust scores for the packages a project depends on."""

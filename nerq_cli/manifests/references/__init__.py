"""References to AI models, datasets, Spaces and kernels in the files of a project, found by syntax.

Nothing is imported or executed. `find.find_references` reads one file, `search.search_references` many;
`table` has the patterns, one row each.
"""

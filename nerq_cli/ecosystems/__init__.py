"""What differs between package ecosystems: names, purl, versions, ranges."""

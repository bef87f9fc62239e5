"""What every front end calls: open a session, scan, build the report."""

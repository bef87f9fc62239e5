"""What every front end calls: open a session, scan or check, build the report."""

"""What a report page states beyond the number: pure functions of scores and signals."""

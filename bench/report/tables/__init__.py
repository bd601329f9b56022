"""What the tables of a report contain."""

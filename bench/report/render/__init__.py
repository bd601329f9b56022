"""Tables, and how they are written in each format."""

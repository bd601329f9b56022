"""How tables and documents are written."""

"""The command line: what was typed becomes cells, and how they ended becomes an exit status."""

"""The command line: from what the user typed to the cells that run, and from how they ended to an exit status."""

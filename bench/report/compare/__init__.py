"""Which setups are compared with which, and what follows from it."""

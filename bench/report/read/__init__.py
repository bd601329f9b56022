"""What a study left on disk, as typed objects."""

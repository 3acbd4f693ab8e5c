"""An adapter of four methods and five operations, to show that these are enough."""

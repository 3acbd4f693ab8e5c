"""Everything that goes wrong but a death, over all cases: one class a fault."""

"""What whole runs do, sentence by sentence of docs/semantics.md: one class a subject."""

"""What each port promises, checked on its own: one class a port."""

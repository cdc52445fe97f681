"""What can be asked of Mien: one function, one question, one transaction."""

"""What people see: one file owns the terminal, the others say how results look."""

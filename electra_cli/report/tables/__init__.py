"""Tables of a report, for any way of writing it: all cells are text, not escaped."""

"""Tables: CSV, TSV, Parquet and Arrow."""

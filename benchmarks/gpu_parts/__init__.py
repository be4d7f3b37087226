"""What benchmarks/gpu.py is made of: processes that measure, and the parts that ask them."""

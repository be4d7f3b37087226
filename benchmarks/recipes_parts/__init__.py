"""What benchmarks/recipes.py is made of: recipes, their steps, runs, comparison, table and plot."""

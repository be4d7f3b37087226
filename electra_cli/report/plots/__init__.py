"""Pictures: curves of runs for a report, and scores over pretraining."""

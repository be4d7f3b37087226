"""Labelled data: what files hold, before it becomes ids."""

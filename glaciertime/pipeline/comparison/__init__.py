"""Trainings that are compared: planned from one file, done where they are missing, and what their scores say."""

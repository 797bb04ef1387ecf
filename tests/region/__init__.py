"""Tests of what regions say."""

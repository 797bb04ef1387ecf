"""Forecasters that other glaciers teach, and what they learn from."""

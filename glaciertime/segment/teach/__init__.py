"""Training: settings, patches, sampling, the loop, and how it goes on after a stop."""

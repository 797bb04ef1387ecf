"""What forecasts are worth: rolling origins, scores, skill."""

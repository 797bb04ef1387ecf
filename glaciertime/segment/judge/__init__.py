"""What masks and fronts are worth: metrics, scores of a set, the error of fronts, calibration."""

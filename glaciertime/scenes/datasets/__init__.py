"""Training data: one reader per data set, splits that keep a glacier whole, augmentation, simulated scenes."""

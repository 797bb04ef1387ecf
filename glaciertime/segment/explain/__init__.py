"""Which pixels a model's answer hangs on."""

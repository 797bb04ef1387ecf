"""Ice and snow by the reflectance of single pixels, without a trained model: the field's standard baseline."""

"""A model on an image: engines, blending of patches, the front's line, what the model leaves open."""

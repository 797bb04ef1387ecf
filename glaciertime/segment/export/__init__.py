"""Models for use elsewhere: ONNX, eight bits, and the table of what they cost."""

"""How far a front stands, and how surely: centrelines, the fjord's channel, the measures and their errors."""

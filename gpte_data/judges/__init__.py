"""Language models that judge: what is asked of them, what they said, and what becomes of a row.

A judge grades a query's candidates side by side, another confirms what the first has flagged (RLHN,
2505.16967); a rubric rates a pair by itself. Questions go through the engine of `synth`: journal,
forecasts and limits are the same.
"""

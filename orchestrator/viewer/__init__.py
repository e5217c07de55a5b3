"""A run to walk through on a terminal: problems, their trees of steps, the bill, the time, and what two runs differ in.

Everything shown comes from `..traces`; nothing is made before it is on the screen. Text from models and tools is shown
with its control characters written out. Needs the extra `tui`.
"""

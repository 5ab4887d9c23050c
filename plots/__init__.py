"""Figures from stored results: functions that take axes and arrays and return the axes; `python -m plots` saves them."""

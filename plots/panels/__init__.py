"""Panels: draw arrays on axes. They compute no statistics and save nothing."""

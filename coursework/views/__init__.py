"""Figures and tables of single practicals, on top of ``figures``, ``show``."""

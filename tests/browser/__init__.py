"""The built book in a browser: ``make browser`` after ``make book``."""

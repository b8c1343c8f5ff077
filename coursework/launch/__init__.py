"""See the package docstring for what lies here."""

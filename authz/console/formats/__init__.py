"""How Django shows times where nobody says how (`FORMAT_MODULE_PATH`); one folder a language."""

"""Django's default format of times (`FORMAT_MODULE_PATH`); one folder a language."""

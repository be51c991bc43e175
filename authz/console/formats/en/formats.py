"""As the audit writes it, and as it is sorted; the zone stands beside it."""

DATETIME_FORMAT = r"Y-m-d H:i \U\T\C"
DATE_FORMAT = "Y-m-d"

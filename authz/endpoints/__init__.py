"""Thin views: HTTP in, HTTP out, no rules. settings.GATEHOUSE["ENDPOINTS"] plugs them in under the issuer's path."""

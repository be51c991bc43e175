"""One module per grant type: `GRANT_TYPE` and `redeem()`. settings.GATEHOUSE["GRANTS"] plugs them in."""

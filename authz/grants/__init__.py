"""One module per grant type: `GRANT_TYPE`, `PARAMETERS`, `redeem()`. settings.GATEHOUSE["GRANTS"] plugs them in."""

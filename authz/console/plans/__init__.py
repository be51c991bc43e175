"""Plans of the configuration in the console: the list, what one would change, the decision, and applying it."""

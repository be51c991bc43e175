"""The tools, one file for each subject. None of them decides an access request: a human does that in the console."""

"""`make load`: what happens to a server that is killed again and again while clients get tokens."""

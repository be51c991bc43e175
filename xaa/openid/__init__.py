"""OpenID Connect for clients: what an identity provider needs so that its ID tokens can open doors elsewhere."""
